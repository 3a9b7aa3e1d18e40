"""What the paper says that its run took (appendix A), beside the plan of a config that is the paper's."""

from dataclasses import dataclass

from zooter_ray.config import RunConfig
from zooter_ray.planning.plan import Plan

BACKBONE, EXPERTS = "microsoft/mdeberta-v3-base", 6
REWARDS_GPU_HOURS = 8 * 24.0  # QwenRM (7B) on 8 A100
ROUTER_GPU_HOURS = 8 * 2.0  # mdeberta-v3-base on 8 A100, 5 epochs
WHY = (
    "Rewards: the paper gives no token counts. An eager loop that pads six responses to each of about 50,000 queries "
    "to one length (2,048 new tokens are allowed) costs many times what batches of like lengths do; the 13B stand-in "
    "for its 7B reward model works the other way.",
    "Router: the plan has steps as fast as kernels are launched and queries at their own length; hours point to "
    "padding to a fixed length, fp32, validation between the epochs, or several settings of the grid counted together.",
)


@dataclass(frozen=True)
class Comparison:
    """GPU hours of one stage: planned, reported, and their ratio."""

    stage: str
    planned_gpu_hours: float
    reported_gpu_hours: float

    @property
    def ratio(self) -> float:
        """Planned over reported."""
        return self.planned_gpu_hours / self.reported_gpu_hours


def is_papers(config: RunConfig) -> bool:
    """Whether a config is the paper's setting: its backbone and a pool of its size."""
    return config.training.backbone == BACKBONE and len(config.generation.experts) == EXPERTS


def against_paper(plan: Plan) -> list[Comparison]:
    """Scoring and training against what the paper reports."""
    return [
        Comparison("scoring", plan.stage_gpu_hours("scoring"), REWARDS_GPU_HOURS),
        Comparison("training", plan.stage_gpu_hours("training"), ROUTER_GPU_HOURS),
    ]
