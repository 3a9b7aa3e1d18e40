"""The settings of a whole run: where it lives, which Ray it uses, and one section per stage."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from zooter_ray.config.base import Config
from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.config.generation import GenerationConfig
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.queries import QueriesConfig, check_tags_column
from zooter_ray.config.scoring import ScoringConfig
from zooter_ray.config.serving import ServingConfig, check_capacities
from zooter_ray.config.training import TrainingConfig

STAGES = ("queries", "generation", "scoring", "labeling", "training", "evaluation")


class RayConfig(Config):
    """How Ray is reached. In a job, or where RAY_ADDRESS is set, that cluster is used instead."""

    address: str | None = Field(None, description="null starts Ray on this machine")
    num_cpus: int | None = Field(None, ge=1, description="logical CPUs of a Ray that is started here")
    num_gpus: int | None = Field(None, ge=0, description="GPUs of a Ray that is started here; null: those it finds")
    env_vars: dict[str, str] = Field(default_factory=dict, description="environment of every worker")


class RunConfig(Config):
    """The settings of a whole run."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"run_dir", "ray", "serving"})
    run_dir: str = Field(description="local path or URI that every node sees")
    ray: RayConfig = Field(default_factory=RayConfig)
    queries: QueriesConfig
    generation: GenerationConfig
    scoring: ScoringConfig
    labeling: LabelingConfig = Field(default_factory=LabelingConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    serving: ServingConfig = Field(default_factory=ServingConfig)

    @model_validator(mode="after")
    def _serving_names_experts(self) -> Self:
        check_capacities(self.serving, self.generation.experts)
        return self

    @model_validator(mode="after")
    def _labels_name_a_reward_model(self) -> Self:
        ids = [model.id for model in self.scoring.reward_models]
        if self.labeling.rewards_of is None and len(ids) > 1:
            raise ValueError(f"labeling.reward_model must name one of {', '.join(ids)}")
        for name in self.labeling.reward_weights or {}:
            if name not in ids:
                raise ValueError(f"labeling.reward_weights: {name!r} is none of {', '.join(ids)}")
        if self.labeling.reward_model not in (None, *ids):
            raise ValueError(f"labeling.reward_model {self.labeling.reward_model!r} is none of {', '.join(ids)}")
        return self

    @model_validator(mode="after")
    def _settings_of_outcomes_files_are_for_those(self) -> Self:
        if self.labeling.prefer_metrics:
            raise ValueError(
                "labeling.prefer_metrics is for outcomes files; labeling.reward_model may name the reference one"
            )
        if self.labeling.standardise:
            raise ValueError("labeling.standardise is for outcomes files; labeling.reward_weights standardises rewards")
        if self.labeling.beta_rows is not None:
            raise ValueError("labeling.beta_rows is for outcomes files; set labeling.beta")
        return self

    @model_validator(mode="after")
    def _tagger_of_labels_has_its_column(self) -> Self:
        if self.labeling.tagger is not None and self.labeling.tagger.kind == "column":
            check_tags_column(self.queries.sources, "labeling.tagger")
        return self

    @property
    def label_reward_model(self) -> str:
        """Id of the reward model whose rewards are distilled, or what stands for several."""
        return self.labeling.rewards_of or self.scoring.reward_models[0].id


class DistillConfig(Config):
    """The settings of a router that is distilled from an outcomes file alone."""

    ray: RayConfig = Field(default_factory=RayConfig)
    labeling: LabelingConfig = Field(default_factory=LabelingConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)

    @model_validator(mode="after")
    def _outcomes_bring_rewards(self) -> Self:
        for name in ("reward_model", "reward_weights"):
            if getattr(self.labeling, name) is not None:
                raise ValueError(f"labeling.{name} is for runs; an outcomes file brings its rewards along")
        if self.labeling.tagger is not None and self.labeling.tagger.kind != "clusters":
            raise ValueError(f"labeling.tagger {self.labeling.tagger.kind} is for runs; outcomes may have clusters")
        return self
