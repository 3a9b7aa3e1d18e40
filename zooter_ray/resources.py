"""What a stage asks of the cluster: at least, and in the keyword arguments in which Ray wants to hear it."""

from collections.abc import Callable, Mapping
from typing import Any

from zooter_ray.config.resources import StageResources, worker_range

Asked = Mapping[str, Mapping[str, float]]  # CPUs and GPUs, by the setting that asks for them
Check = Callable[[Asked], None]  # refuses what can never be had, which would be waited for without end


def unchecked(_: Asked) -> None:
    """The check of a cluster that may grow."""


def least(resources: StageResources, copies: int = 1) -> dict[str, float]:
    """CPUs and GPUs of the fewest workers, each of so many processes."""
    workers = worker_range(resources)[0] * copies
    return {"CPU": workers * resources.num_cpus, "GPU": workers * resources.num_gpus}


def least_of_engine(engine: Any) -> dict[str, float]:
    """CPUs and GPUs of an engine's fewest workers."""
    return least(engine.resources, getattr(engine, "tensor_parallel_size", 1))


def actor_kwargs(resources: StageResources) -> dict[str, Any]:
    """Resource arguments of `Dataset.map_batches` for an actor pool (the pool itself is `worker_range`)."""
    kwargs: dict[str, Any] = {"num_cpus": resources.num_cpus}
    if resources.num_gpus:
        kwargs["num_gpus"] = resources.num_gpus
    if resources.accelerator_type:
        kwargs["accelerator_type"] = resources.accelerator_type
    return kwargs


def engine_kwargs(resources: StageResources, tensor_parallel_size: int) -> dict[str, Any]:
    """Resource arguments of `vLLMEngineProcessorConfig`: one bundle per tensor-parallel worker.

    Without a placement group Ray Data LLM asks for a GPU, also where there is none.
    """
    bundle: dict[str, float] = {"CPU": resources.num_cpus}
    if resources.num_gpus:
        bundle["GPU"] = resources.num_gpus
    low, high = worker_range(resources)
    kwargs: dict[str, Any] = {
        "placement_group_config": {"bundles": [dict(bundle) for _ in range(tensor_parallel_size)]},
        "concurrency": (low, high),
    }
    if resources.accelerator_type:
        kwargs["accelerator_type"] = resources.accelerator_type
    return kwargs


def serving_kwargs(resources: StageResources, tensor_parallel_size: int) -> dict[str, Any]:
    """Resource arguments of `LLMConfig`: one bundle per tensor-parallel worker, and what kind of machine it is.

    Without them Ray Serve LLM asks for a GPU, also where there is none.
    """
    kwargs = engine_kwargs(resources, tensor_parallel_size)
    del kwargs["concurrency"]
    if not resources.num_gpus:
        kwargs["accelerator_config"] = {"kind": "cpu"}
    return kwargs


def training_kwargs(resources: StageResources) -> dict[str, Any]:
    """Arguments of Ray Train's `ScalingConfig`; a range of workers is elastic."""
    per_worker: dict[str, float] = {"CPU": resources.num_cpus}
    if resources.num_gpus:
        per_worker["GPU"] = resources.num_gpus
    kwargs: dict[str, Any] = {
        "num_workers": resources.workers,
        "use_gpu": resources.num_gpus > 0,
        "resources_per_worker": per_worker,
    }
    if resources.accelerator_type:
        kwargs["accelerator_type"] = resources.accelerator_type
    return kwargs
