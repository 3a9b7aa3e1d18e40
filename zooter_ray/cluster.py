"""Reach Ray: the cluster that there is, or a new one on this machine, which has all that it will ever have."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import ray

from zooter_ray.config.run import RayConfig
from zooter_ray.errors import ClusterError, ConfigError, one_line
from zooter_ray.resources import Asked, Check, unchecked

# Ray Train asks the dashboard whether a training still has its driver, and ends it otherwise. A Ray without a dashboard
# would ask that of another Ray on this machine, which knows nothing of ours; here nobody listens.
NO_DASHBOARD = {"RAY_API_SERVER_ADDRESS": "http://127.0.0.1:9"}
SETUP_HOOK = "zooter_ray.worker_setup.no_vain_warnings"


@contextmanager
def connected(config: RayConfig) -> Iterator[Check]:
    """Reach Ray: the cluster that RAY_ADDRESS names (as in a job), the one of the config, or a new one here.

    A Ray that was there before stays; one that was reached here is left at the end. Yields the check of what is asked
    for: a new Ray here never has more than it begins with.

    Raises:
        ConfigError: if no cluster answers.
        ClusterError: if a new one does not come up.
    """
    os.environ.update(config.env_vars)
    ours = not ray.is_initialized()
    if ours:
        address = os.environ.get("RAY_ADDRESS") or config.address or "local"
        resources = {"num_cpus": config.num_cpus, "num_gpus": config.num_gpus}
        local = {**resources, "include_dashboard": False} if address == "local" else {}
        environment = {"env_vars": {**NO_DASHBOARD, **config.env_vars}, "worker_process_setup_hook": SETUP_HOOK}
        try:
            ray.init(address=address, runtime_env=environment if local else {"env_vars": config.env_vars}, **local)
        except ConnectionError as error:
            raise ConfigError(f"no Ray answers at {address}: {one_line(error)}") from None
        except Exception as error:
            if type(error) is not Exception:  # Ray has no class of its own for processes that do not come up in time
                raise
            raise ClusterError(f"no Ray comes up on this machine, which may be too busy: {one_line(error)}") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    try:
        yield partial(check_fits, ray.cluster_resources()) if ours and local else unchecked
    finally:
        if ours:
            ray.shutdown()


def check_fits(there_is: Mapping[str, float], asked: Asked) -> None:
    """Refuse what a cluster that does not grow can never give.

    Raises:
        ConfigError: naming the setting.
    """
    for setting, least in asked.items():
        for name, amount in least.items():
            if amount > there_is.get(name, 0):
                raise ConfigError(
                    f"{setting} asks for {amount:g} {name}s, but the Ray that starts on this machine has "
                    f"{there_is.get(name, 0):g}; ask for less, or say more with ray.num_{name.lower()}s"
                )
