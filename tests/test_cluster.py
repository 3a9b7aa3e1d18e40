"""What is asked of a Ray that does not grow; reaching one is tested by everything else."""

import pytest

from zooter_ray.cluster import check_fits
from zooter_ray.config.resources import StageResources
from zooter_ray.errors import ConfigError


def test_what_a_new_ray_can_never_give_is_refused() -> None:
    asked = {"training.resources": StageResources(num_cpus=4, num_gpus=1, workers=8)}
    with pytest.raises(ConfigError, match=r"training\.resources asks for 8 GPUs, but .* has 0; .* with ray\.num_gpus"):
        check_fits(asked, {"CPU": 32})
    with pytest.raises(ConfigError, match=r"training\.resources asks for 32 CPUs, but .* has 31; .*ray\.num_cpus"):
        check_fits(asked, {"CPU": 31, "GPU": 8})
    check_fits(asked, {"CPU": 32, "GPU": 8})


def test_elastic_workers_need_place_for_the_fewest() -> None:
    check_fits({"training.resources": StageResources(num_cpus=2, workers=(1, 64))}, {"CPU": 2})
