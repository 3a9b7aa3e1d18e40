"""What a stage asks of the cluster."""

from typing import Self

from pydantic import Field, model_validator

from zooter_ray.config.base import Config


class StageResources(Config):
    """Resources of one worker of a stage, and how many workers there may be."""

    num_cpus: float = Field(1.0, ge=0)
    num_gpus: float = Field(0.0, ge=0)
    accelerator_type: str | None = Field(None, description="a Ray accelerator label such as A100-80G")
    workers: int | tuple[int, int] = Field(1, description="a fixed number, or the range (min, max) to scale within")

    @model_validator(mode="after")
    def _workers_are_positive(self) -> Self:
        low, high = worker_range(self)
        if not 1 <= low <= high:
            raise ValueError(f"workers must be a positive number or a rising range, not {self.workers}")
        return self


def worker_range(resources: StageResources) -> tuple[int, int]:
    """The smallest and the largest number of workers."""
    workers = resources.workers
    return (workers, workers) if isinstance(workers, int) else workers
