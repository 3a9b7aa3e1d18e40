"""Settings of the training stage: the router and its distillation."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zooter_ray.config.base import Config
from zooter_ray.config.resources import StageResources

Side = Literal["left", "right"]


class TrainingConfig(Config):
    """Settings of the distillation. The defaults suit a small encoder; jobs/configs/paper.yaml has the paper's."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources", "max_failures", "token_env", "rows_per_pass"})
    backbone: str = Field(
        "package:all-minilm-l6-v2",
        description="Hugging Face name, local path, or package:NAME of the encoder that the router starts from",
    )
    layers: int | None = Field(None, ge=1, description="how many of the encoder's layers are kept; null: all")
    pooling: Literal["native", "mean"] = Field(
        "native",
        description="the pooling of transformers' own class, or the mean over a query's tokens, which is the default "
        "with `frozen` or `hidden`",
    )
    hidden: int | None = Field(None, ge=1, description="units of a two-layer head; null: a linear one")
    head_start: Literal["random", "mean_label"] = Field(
        "random",
        description="what the head says at first: anything, or the mean of all labels whatever the query, so that a "
        "router that learns little routes to the best expert",
    )
    frozen: bool = Field(
        False, description="leave the encoder as it is: embed every query once, then train the head alone"
    )
    loss: Literal["kl", "reverse_kl", "hard_label"] = Field("kl", description="KL(s*||Z), KL(Z||s*), or cross-entropy")
    mask_equal_rewards: bool = Field(True, description="leave out the rows on which all experts are rewarded alike")
    class_balance: bool = Field(
        False, description="weigh classes such that every expert has the same share of all labels"
    )
    learning_rate: float = Field(5e-5, gt=0)
    head_learning_rate: float | None = Field(
        None, gt=0, description="of the head, which starts from scratch; null: same"
    )
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float | None = Field(1.0, gt=0, description="largest norm of a step's gradient; null: no clipping")
    epochs: int = Field(3, ge=1)
    min_steps: int | None = Field(
        None,
        ge=1,
        description="few rows are gone over in more epochs, until so many steps are made; patience may end it",
    )
    batch_size: int = Field(32, ge=1, description="rows per step over all workers together")
    rows_per_pass: int | None = Field(
        None, ge=1, description="rows that a worker computes at once; a step of more accumulates gradients; null: all"
    )
    mixed_precision: bool | None = Field(
        None, description="train in bfloat16, with weights in float32; null: on GPUs that have bfloat16"
    )
    bucket_steps: int = Field(16, ge=1, description="steps whose rows are drawn together and dealt out by length")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    keep: Literal["validation_loss", "validation_value", "last"] = Field(
        "validation_loss",
        description="which epoch becomes the router: that of the lowest validation loss, of the highest mean value "
        "(metric, else reward) of the experts chosen for validation rows, or the last one",
    )
    patience: int | None = Field(
        None, ge=1, description="stop after so many epochs without a lower validation loss; null: never"
    )
    caution: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="the best single expert of the training rows answers where the router's lead over it is small, as "
        "with queries unlike any in training: how much of the sum of the leads (in log-probability, over the "
        "validation rows) is given up for it; null: nothing. The head must have a bias",
    )
    calibrate: bool = Field(True, description="scale the temperature of the router's probabilities on validation rows")
    max_length: int = Field(256, ge=8, description="tokens of a query that the router reads")
    truncation_side: Side = Field("right", description="where a longer query is cut")
    onnx: bool = Field(True, description="write router.onnx, which routes faster than PyTorch where there is no GPU")
    embedder: str | None = Field(
        "package:all-minilm-l6-v2",
        description="frozen encoder behind the nearest-neighbour baseline, whose embeddings of the training queries "
        "are left in the router directory; null: no such baseline",
    )
    seed: int = Field(0, ge=0)
    max_failures: int = Field(3, ge=0, description="worker failures that are survived from the last checkpoint")
    token_env: str | None = None
    resources: StageResources = Field(default_factory=StageResources)

    def for_rows(self, rows: int) -> Self:
        """The settings for so many training rows: with the epochs that `min_steps` adds."""
        steps_per_epoch = -(-max(rows, 1) // self.batch_size)
        return self.model_copy(update={"epochs": max(self.epochs, -(-(self.min_steps or 0) // steps_per_epoch))})

    @model_validator(mode="before")
    @classmethod
    def _a_head_of_ours_means_mean_pooling(cls, values: Any) -> Any:
        if isinstance(values, dict) and (values.get("frozen") or values.get("hidden")):
            return {"pooling": "mean", **values}
        return values

    @model_validator(mode="after")
    def _workers_ask_for_something(self) -> Self:
        if not self.resources.num_cpus and not self.resources.num_gpus:
            raise ValueError("resources: num_cpus or num_gpus must be more than 0")
        return self

    @model_validator(mode="after")
    def _settings_fit_the_pooling(self) -> Self:
        if self.frozen and self.pooling != "mean":
            raise ValueError("frozen needs pooling: mean")
        if self.pooling == "mean" and not self.onnx:
            raise ValueError("pooling: mean needs onnx: true, for those who load the router without this package")
        if self.hidden is not None and self.pooling != "mean":
            raise ValueError("hidden needs pooling: mean; the native class brings its own head")
        return self
