"""A level's capacity in Ray Serve's words."""

from typing import Any

from ray.serve.config import BackpressureConfig

from zooter_ray.config.serving import LevelConfig, ServingConfig


def deployment_options(level: LevelConfig, serving: ServingConfig) -> dict[str, Any]:
    """Options of `serve.deployment`: replicas, limits, and time for streams to end before a replica is stopped."""
    return {
        "max_ongoing_requests": level.max_ongoing_requests,
        "max_queued_requests": level.max_queued_requests,
        "backpressure_config": BackpressureConfig(status_code=503, retry_after_s=serving.retry_after_s),
        "autoscaling_config": {
            "min_replicas": level.min_replicas,
            "initial_replicas": level.min_replicas,
            "max_replicas": level.max_replicas,
            "target_ongoing_requests": level.target_ongoing_requests,
            "upscale_delay_s": level.upscale_delay_s,
            "downscale_delay_s": level.downscale_delay_s,
            "metrics_interval_s": level.metrics_interval_s,
            "look_back_period_s": max(2 * level.metrics_interval_s, 2.0),
        },
        "ray_actor_options": {"num_cpus": level.num_cpus},
        "logging_config": {"enable_access_log": False},  # the proxy has one already
        "graceful_shutdown_timeout_s": serving.request_timeout_s,
        "health_check_period_s": 2.0,
        "health_check_timeout_s": 30.0,
    }
