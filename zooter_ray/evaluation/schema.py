"""What report.json holds. `schema_version` changes when a reader of the former one would go wrong."""

from pydantic import BaseModel, ConfigDict, ValidationError

from zooter_ray.artifacts import read_json
from zooter_ray.errors import ArtifactError, DataError

SCHEMA_VERSION = 7


class Part(BaseModel):
    """A frozen part of the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Difference(Part):
    """Zooter minus another method, with its bootstrap interval."""

    difference: float
    low: float
    high: float


class RouterSettings(Part):
    """What the router is, and how it was distilled."""

    loss: str
    beta: float  # as it was set
    used_beta: float  # less, where labeling.beta_rows makes it follow the training rows
    temperature: float  # T of the soft labels
    parameters: int | None  # without embeddings, as the paper counts its 86M


class GroupResult(Part):
    """A method on the sources of a group."""

    mean: float
    mean_task_rank: float


class MethodResult(Part):
    """What one way to choose an expert is worth."""

    method: str
    shown: str
    kind: str  # random | expert | baseline | reward_ranking | other_router | router | oracle
    mean: float
    per_source: dict[str, float]
    per_group: dict[str, GroupResult]  # empty where no source is called group/subset
    mean_task_rank: float
    uplift: float
    cost: float | None  # per query, mean over the sources; in a run generated tokens
    relative_cost: float | None  # to the best single expert
    pareto: bool  # nothing that can be had is both cheaper and better
    zooter_ahead: Difference | None  # None for zooter itself


class Expertise(Part):
    """Means of the experts on training rows, for the tags with most of them."""

    tags: list[str]
    rows: list[int]
    means: list[list[float]]  # (T, M)
    value: str  # metric | reward: what they are of


class CalibrationBin(Part):
    """Rows whose chosen experts have like probabilities."""

    low: float
    high: float
    rows: int
    predicted: float
    observed: float


class Calibration(Part):
    """Whether the router's probabilities mean what they say, on rows on which experts differ."""

    expected_error: float | None  # None where experts differ on no row
    bins: list[CalibrationBin]


class EntropyPoint(Part):
    """Mean reward entropy of some rows, and what methods earn on them."""

    entropy: float
    value: float  # of what reward model ranking keeps
    zooter: float
    best_single: float
    rows: int


class EntropyCurve(Part):
    """Reward entropy of some rows against the quality of what reward model ranking keeps."""

    points: list[tuple[float, float]]  # one per row, of at most 2,000 rows
    bins: list[EntropyPoint]


class Entropy(EntropyCurve):
    """The curve of all rows, and of each group of sources: Figure 3 of the paper."""

    reward_model: str
    temperature: float
    standardised: bool  # whether rewards were put on one scale for all sources first
    per_group: dict[str, EntropyCurve]  # empty where no source is called group/subset


class ExpertCase(Part):
    """One expert on one query."""

    expert: str
    shown: str
    response: str | None
    reward: float
    metric: float | None
    cost: float | None
    probability: float


class Case(Part):
    """One query and what became of it: Figure 1 of the paper."""

    query_id: str
    query: str
    source: str
    tags: list[str]
    experts: list[ExpertCase]
    oracle: str
    zooter: str
    loss: float  # what the oracle earns more than zooter


class TagEntropy(Part):
    """How sure the distilled rewards are on the training rows of a tag."""

    tag: str
    rows: int
    entropy: float  # mean of the entropies of the rows' sample labels, divided by log M


class Agreement(Part):
    """How far two reward models agree on training rows."""

    first: str
    second: str
    queries: int  # on which both prefer some expert to another
    same_best: float | None  # share of them on which an expert is best by both
    by_chance: float | None  # what that share would be if best experts were drawn at random
    rank_correlation: float | None  # mean of Kendall's tau-b within a query


class Supervision(Part):
    """What the reward models say of the training rows."""

    rows: int
    undecided: int  # rows on which all experts earn the same
    entropy: float | None  # mean over the rows
    tags: list[TagEntropy]  # the most frequent first
    agreement: list[Agreement]


class Report(Part):
    """Everything that report.md, report.html and the plots show."""

    schema_version: int = SCHEMA_VERSION
    value: str  # metric | reward
    router: RouterSettings
    rows: int
    rows_fingerprint: str  # of the rows and what the experts earn on them: equal where reports can be compared
    seen_rows: int  # of them, rows whose query is a training query as well; 0 for a router that does not know
    sources: dict[str, int]
    experts: dict[str, str]  # id -> how it is shown
    best_single: str
    methods: list[MethodResult]
    rank_against: str
    include_overall: bool
    confidence: float
    draws: int
    gap_closed: float | None
    verdicts: dict[str, str]  # method -> one plain sentence about zooter and it
    router_share: dict[str, float]  # share of the rows that the router sends to each expert
    router_share_per_source: dict[str, dict[str, float]]
    oracle_share: dict[str, float]  # ties are shared
    expertise: Expertise | None
    calibration: Calibration
    entropy: Entropy
    supervision: Supervision | None  # None where the report was made from an outcomes file
    cases: list[Case]
    losses: list[Case]

    def of_kind(self, kind: str) -> MethodResult:
        """The one method of a kind; names will not do, since an expert may be called `random`."""
        (method,) = (method for method in self.methods if method.kind == kind)
        return method

    def named(self, method: str) -> MethodResult:
        """The method, not an expert, of a name."""
        return next(found for found in self.methods if found.method == method and found.kind != "expert")


def read_report(path: str) -> Report:
    """A report.json of this version.

    Raises:
        DataError: if it is of another version, damaged or no report.
    """
    try:
        content = read_json(path)
        if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
            raise DataError(f"{path} is no report of this version; evaluate again")
        return Report.model_validate(content)
    except (ArtifactError, ValidationError):
        raise DataError(f"{path} is damaged; evaluate again") from None
