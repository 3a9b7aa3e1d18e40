"""Settings of the training stage: the router and its distillation."""

from typing import ClassVar, Literal

from pydantic import Field

from zooter_ray.config.base import Config
from zooter_ray.config.resources import StageResources


class TrainingConfig(Config):
    """Settings of the distillation. The defaults suit a small encoder; jobs/configs/paper.yaml has the paper's."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources", "max_failures", "token_env"})
    backbone: str = Field(
        "package:all-minilm-l6-v2",
        description="Hugging Face name, local path, or package:NAME of the encoder that the router starts from",
    )
    pooling: Literal["native"] = Field("native", description="the pooling of transformers' own class")
    loss: Literal["kl", "reverse_kl", "hard_label"] = Field("kl", description="KL(s*||Z), KL(Z||s*), or cross-entropy")
    learning_rate: float = Field(5e-5, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    epochs: int = Field(3, ge=1)
    batch_size: int = Field(32, ge=1, description="rows per step over all workers together")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    max_length: int = Field(256, ge=8, description="tokens of a query that the router reads")
    embedder: str | None = Field(
        "package:all-minilm-l6-v2",
        description="frozen encoder behind the nearest-neighbour baseline, whose embeddings of the training queries "
        "are left in the router directory; null: no such baseline",
    )
    seed: int = 0
    max_failures: int = Field(3, ge=0, description="worker failures that are survived from the last checkpoint")
    token_env: str | None = None
    resources: StageResources = Field(default_factory=StageResources)
