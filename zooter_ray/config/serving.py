"""Settings of the service: how queries are routed, and how much each level of it takes on."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from zooter_ray.config.base import Config
from zooter_ray.config.generation import ExpertConfig


class LevelConfig(Config):
    """Capacity of one deployment: what a replica takes on, and how many replicas there may be.

    Ray Serve starts replicas towards `target_ongoing_requests` each; what is beyond `max_ongoing_requests` of all
    replicas waits, and what is beyond `max_queued_requests` waiting ones is refused.
    """

    min_replicas: int = Field(1, ge=1)
    max_replicas: int = Field(1, ge=1)
    target_ongoing_requests: float = Field(24, gt=0)
    max_ongoing_requests: int = Field(32, ge=1)
    max_queued_requests: int = Field(64, ge=1, description="waiting per caller")
    upscale_delay_s: float = Field(10, ge=0)
    downscale_delay_s: float = Field(300, ge=0)
    metrics_interval_s: float = Field(2, gt=0, description="how often load is looked at")
    num_cpus: float = Field(0.25, ge=0, description="of a replica; one with a vLLM engine takes the engine's resources")

    @model_validator(mode="after")
    def _ranges_rise(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}")
        if self.max_ongoing_requests < self.target_ongoing_requests:
            raise ValueError(
                f"max_ongoing_requests {self.max_ongoing_requests} is below target_ongoing_requests "
                f"{self.target_ongoing_requests}, so no replica would ever be added"
            )
        return self


class ServingConfig(Config):
    """Settings of the service."""

    turn: Literal["first", "last", "all"] = Field(
        "first", description="which user turns are routed on; the paper routes on the first"
    )
    ingress: LevelConfig = Field(
        default_factory=lambda: LevelConfig(
            target_ongoing_requests=96, max_ongoing_requests=128, max_queued_requests=128
        )
    )
    router: LevelConfig = Field(
        default_factory=lambda: LevelConfig(
            target_ongoing_requests=64, max_ongoing_requests=128, max_queued_requests=256
        )
    )
    expert: LevelConfig = Field(default_factory=LevelConfig, description="every expert that `experts` does not name")
    experts: dict[str, LevelConfig] = Field(default_factory=dict, description="capacity of single experts, by id")
    router_batch_size: int = Field(32, ge=1, description="queries that the router reads together at most")
    router_batch_wait_s: float = Field(0.0, ge=0, description="how long a query waits for others to be read with")
    decision_timeout_s: float = Field(
        2.0, gt=0, description="a router that takes longer is done without: the best single expert comes first"
    )
    first_token_timeout_s: float = Field(120.0, gt=0, description="an expert that takes longer is given up on")
    body_timeout_s: float = Field(30.0, gt=0, description="a body that takes longer to arrive is not waited for")
    request_timeout_s: float = Field(600.0, gt=0, description="of a whole request, once its body is there")
    max_attempts: int = Field(3, ge=1, description="experts that are tried for one routed request")
    stream_interval_s: float = Field(
        0.02, ge=0, description="tokens of a stream are sent together this often; the first goes out at once"
    )
    max_body_bytes: int = Field(1_000_000, ge=1)
    retry_after_s: int = Field(2, ge=1, description="what a client is told when there is no capacity")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)


def check_capacities(serving: ServingConfig, experts: Sequence[ExpertConfig]) -> None:
    """Refuse a capacity for what is no expert with an engine of its own; those that share one share its capacity too.

    Raises:
        ValueError: naming it.
    """
    owners = [expert.id for expert in experts if expert.same_weights_as is None]
    if unknown := sorted(set(serving.experts) - set(owners)):
        raise ValueError(f"serving.experts names {unknown[0]!r}; experts with an engine are {', '.join(owners)}")
