"""Resources in the words that Ray wants to hear."""

import pytest
from pydantic import ValidationError

from zooter_ray.config.resources import StageResources, worker_range
from zooter_ray.resources import actor_kwargs, engine_kwargs, serving_kwargs, training_kwargs

CPU = StageResources(num_cpus=2, workers=3)
GPU = StageResources(num_cpus=4, num_gpus=1, accelerator_type="A100-80G", workers=(2, 8))


def test_a_fixed_number_of_workers_is_a_range_of_one() -> None:
    assert worker_range(CPU) == (3, 3)
    assert worker_range(GPU) == (2, 8)


def test_actors_on_cpus_ask_for_no_gpu() -> None:
    assert actor_kwargs(CPU) == {"num_cpus": 2.0}


def test_actors_on_gpus_name_number_and_type() -> None:
    assert actor_kwargs(GPU) == {"num_cpus": 4.0, "num_gpus": 1.0, "accelerator_type": "A100-80G"}


def test_an_engine_on_cpus_gets_a_placement_group_without_gpus() -> None:
    assert engine_kwargs(CPU, tensor_parallel_size=1) == {
        "placement_group_config": {"bundles": [{"CPU": 2.0}]},
        "concurrency": (3, 3),
    }


def test_an_engine_gets_one_bundle_per_tensor_parallel_worker() -> None:
    assert engine_kwargs(GPU, tensor_parallel_size=2) == {
        "placement_group_config": {"bundles": [{"CPU": 4.0, "GPU": 1.0}, {"CPU": 4.0, "GPU": 1.0}]},
        "concurrency": (2, 8),
        "accelerator_type": "A100-80G",
    }


def test_the_bundles_of_an_engine_are_not_one_and_the_same_object() -> None:
    first, second = engine_kwargs(GPU, tensor_parallel_size=2)["placement_group_config"]["bundles"]
    assert first is not second


def test_a_served_engine_is_told_what_machine_it_runs_on() -> None:
    assert serving_kwargs(CPU, tensor_parallel_size=1) == {
        "placement_group_config": {"bundles": [{"CPU": 2.0}]},
        "accelerator_config": {"kind": "cpu"},
    }
    assert serving_kwargs(GPU, tensor_parallel_size=2) == {
        "placement_group_config": {"bundles": [{"CPU": 4.0, "GPU": 1.0}] * 2},
        "accelerator_type": "A100-80G",
    }


def test_training_on_cpus_takes_the_number_of_workers() -> None:
    assert training_kwargs(CPU) == {"num_workers": 3, "use_gpu": False, "resources_per_worker": {"CPU": 2.0}}


def test_training_with_a_range_of_workers_is_elastic() -> None:
    assert training_kwargs(GPU) == {
        "num_workers": (2, 8),
        "use_gpu": True,
        "resources_per_worker": {"CPU": 4.0, "GPU": 1.0},
        "accelerator_type": "A100-80G",
    }


@pytest.mark.parametrize("workers", [0, -1, (0, 2), (3, 1)])
def test_workers_are_a_positive_number_or_a_rising_range(workers: int | tuple[int, int]) -> None:
    with pytest.raises(ValidationError, match="must be a positive number or a rising range"):
        StageResources(workers=workers)


def test_one_worker_with_one_cpu_is_the_default() -> None:
    assert actor_kwargs(StageResources()) == {"num_cpus": 1.0}
    assert worker_range(StageResources()) == (1, 1)
