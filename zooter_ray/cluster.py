"""Reach Ray: the cluster that there is, or a new one on this machine, which has all that it will ever have."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray

from zooter_ray.config.resources import StageResources, worker_range
from zooter_ray.config.run import RayConfig
from zooter_ray.errors import ConfigError, one_line

# Ray Train asks the dashboard whether a training still has its driver, and ends it otherwise. A Ray without a dashboard
# would ask that of another Ray on this machine, which knows nothing of ours; here nobody listens.
NO_DASHBOARD = {"RAY_API_SERVER_ADDRESS": "http://127.0.0.1:9"}

Asked = Mapping[str, StageResources]  # by the setting that says so


@contextmanager
def connected(config: RayConfig, asked: Asked | None = None) -> Iterator[None]:
    """Reach Ray: the cluster that RAY_ADDRESS names (as in a job), the one of the config, or a new one here.

    A Ray that was there before stays; one that was reached here is left at the end.

    Raises:
        ConfigError: if no cluster answers, or what is `asked` for is more than a new Ray has here: it would be waited
            for without end. A cluster may grow.
    """
    os.environ.update(config.env_vars)
    ours = not ray.is_initialized()
    if ours:
        address = os.environ.get("RAY_ADDRESS") or config.address or "local"
        resources = {"num_cpus": config.num_cpus, "num_gpus": config.num_gpus}
        local = {**resources, "include_dashboard": False} if address == "local" else {}
        env_vars = {**NO_DASHBOARD, **config.env_vars} if local else config.env_vars
        try:
            ray.init(address=address, runtime_env={"env_vars": env_vars}, **local)
        except ConnectionError as error:
            raise ConfigError(f"no Ray answers at {address}: {one_line(error)}") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    try:
        if ours and local:
            check_fits(asked or {}, ray.cluster_resources())
        yield
    finally:
        if ours:
            ray.shutdown()


def check_fits(asked: Asked, there_is: Mapping[str, float]) -> None:
    """Refuse what a cluster that does not grow can never give to the smallest number of workers."""
    for setting, resources in asked.items():
        workers = worker_range(resources)[0]
        for name, each in {"CPU": resources.num_cpus, "GPU": resources.num_gpus}.items():
            if workers * each > there_is.get(name, 0):
                raise ConfigError(
                    f"{setting} asks for {workers * each:g} {name}s, but the Ray that starts on this machine has "
                    f"{there_is.get(name, 0):g}; ask for less, or say more with ray.num_{name.lower()}s"
                )
