"""A Ray that does not grow, or does not come up; reaching one is tested by everything else."""

import logging
import subprocess
import sys
import time

import psutil
import pytest
import ray

from zooter_ray.cluster import check_fits
from zooter_ray.config.generation import VllmEngine
from zooter_ray.config.resources import StageResources
from zooter_ray.errors import ConfigError
from zooter_ray.resources import least, least_of_engine

REACHES_RAY = """
from zooter_ray.cluster import connected
from zooter_ray.config.run import RayConfig
from zooter_ray.errors import ZooterError

try:
    with connected(RayConfig()):
        print("there it is")
except ZooterError as error:
    print(error.sentence)
"""


def test_what_a_new_ray_can_never_give_is_refused() -> None:
    asked = {"training.resources": least(StageResources(num_cpus=4, num_gpus=1, workers=8))}
    with pytest.raises(ConfigError, match=r"training\.resources asks for 8 GPUs, but .* has 0; .* with ray\.num_gpus"):
        check_fits({"CPU": 32}, asked)
    with pytest.raises(ConfigError, match=r"training\.resources asks for 32 CPUs, but .* has 31; .*ray\.num_cpus"):
        check_fits({"CPU": 31, "GPU": 8}, asked)
    check_fits({"CPU": 32, "GPU": 8}, asked)


def test_elastic_workers_need_place_for_the_fewest() -> None:
    assert least(StageResources(num_cpus=2, workers=(1, 64))) == {"CPU": 2, "GPU": 0}


def test_an_engine_needs_place_for_all_its_tensor_parallel_workers() -> None:
    engine = VllmEngine(source="m", tensor_parallel_size=4, resources=StageResources(num_gpus=1, workers=(2, 8)))
    assert least_of_engine(engine) == {"CPU": 8, "GPU": 8}


def test_processes_of_a_ray_of_our_own_do_not_warn_that_it_has_no_dashboard(ray_session: None) -> None:
    @ray.remote
    def warns() -> bool:
        from ray.train.v2._internal.execution.controller.placement_group_cleaner import logger

        return logger.isEnabledFor(logging.WARNING)

    assert not ray.get(warns.remote())


@pytest.mark.slow
@pytest.mark.extended  # Ray waits half a minute
def test_a_ray_that_does_not_come_up_is_told_in_one_sentence() -> None:
    """Its raylet is stopped as soon as it is there, as on a machine that is too busy."""
    with subprocess.Popen([sys.executable, "-c", REACHES_RAY], stdout=subprocess.PIPE, text=True) as command:
        raylet_of(psutil.Process(command.pid)).suspend()
        told, _ = command.communicate(timeout=120)
    assert told.startswith("no Ray comes up on this machine, which may be too busy: The current node timed out")


def raylet_of(process: psutil.Process) -> psutil.Process:
    """The raylet that a process starts, awaited."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in process.children(recursive=True):
            try:
                if child.name() == "raylet":
                    return child
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.005)
    raise TimeoutError("no raylet was started")
