"""The environment in which Ray Serve passes tokens on at half the cost.

Ray reads it when `ray.serve` is imported, in every process of the service: set it where Ray is started, in a cluster's
image or pod template as much as here.
"""

FAST_PATH = {
    # Replicas talk gRPC instead of Ray's object store: a token costs less than half of the CPU time on its way.
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    # No change of threads for each token; in turn nothing of ours may block a replica's event loop.
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
}
