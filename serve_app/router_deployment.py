"""The router as a deployment: queries that arrive together are read together."""

import asyncio

from ray import serve
from ray.serve import Application

from serve_app.capacity import deployment_options
from zooter_ray.config.serving import ServingConfig
from zooter_ray.router.predictor import RouterPredictor


class RouterDeployment:
    """Replica: one RouterPredictor."""

    def __init__(self, directory: str, batch_size: int, batch_wait_s: float) -> None:
        self.predictor = RouterPredictor(directory, batch_size)
        self.predictor(["warm up"])
        self.probabilities.set_max_batch_size(batch_size)
        self.probabilities.set_batch_wait_timeout_s(batch_wait_s)

    @serve.batch  # type: ignore[untyped-decorator]
    async def probabilities(self, queries: list[str]) -> list[list[float]]:
        """Probabilities (M,) of each query, experts in the router's order."""
        found = await asyncio.to_thread(self.predictor, queries)
        rows: list[list[float]] = found.tolist()
        return rows


def router_deployment(directory: str, serving: ServingConfig) -> Application:
    """The router, bound."""
    deployment = serve.deployment(RouterDeployment, name="router", **deployment_options(serving.router, serving))
    return deployment.bind(directory, serving.router_batch_size, serving.router_batch_wait_s)
