"""Which experts have a running replica, asked of Serve's controller in the background.

A request to a deployment without replicas would wait for one; the service would rather ask the next expert.
"""

import asyncio
import logging
from collections.abc import Mapping

import ray
from ray import serve
from ray.serve.exceptions import RayServeException

logger = logging.getLogger("ray.serve")
RUNNING = "RUNNING"


class Availability:
    """The running replicas of an application's deployments, as of a moment ago."""

    def __init__(self, app_name: str, deployment_of: Mapping[str, str], interval_s: float = 1.0) -> None:
        self.app_name = app_name
        self.deployment_of = dict(deployment_of)  # expert -> deployment
        self.interval_s = interval_s
        self.running: dict[str, int] = {}
        self.task: asyncio.Task[None] | None = None

    def _start(self) -> None:
        """Begin to ask, once: at the first question, since only then an event loop is sure to run."""
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._watch())

    def is_up(self, expert: str) -> bool:
        """Whether an expert can be asked; before the first answer of the controller all of them can."""
        self._start()
        return self.running.get(self.deployment_of[expert], 1) > 0

    def running_experts(self) -> dict[str, bool]:
        """Whether each expert is known to have a running replica."""
        return {expert: self.is_running(name) for expert, name in self.deployment_of.items()}

    def is_running(self, deployment: str) -> bool:
        """Whether a deployment is known to have a running replica."""
        self._start()
        return self.running.get(deployment, 0) > 0

    async def _watch(self) -> None:
        while True:
            try:
                self.running = await asyncio.to_thread(running_replicas, self.app_name)
            except (ray.exceptions.RayError, RayServeException) as error:
                logger.warning("the state of the deployments is not known: %s", type(error).__name__)
            await asyncio.sleep(self.interval_s)


def running_replicas(app_name: str) -> dict[str, int]:
    """Running replicas by deployment."""
    application = serve.status().applications.get(app_name)
    if application is None:
        return {}
    return {name: found.replica_states.get(RUNNING, 0) for name, found in application.deployments.items()}
