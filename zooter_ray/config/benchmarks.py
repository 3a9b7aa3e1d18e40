"""Settings of the benchmarks: the paper's 26 subsets, who answers them, and who judges."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from zooter_ray.config.base import Config, is_safe_id
from zooter_ray.config.generation import Decoding, Engine, GenerationConfig
from zooter_ray.config.run import RayConfig
from zooter_ray.config.scoring import ReferenceReward, RewardModel, check_ids


class Benchmark(Config):
    """What all benchmarks have."""

    kind: str
    greedy: bool = Field(False, description="decoded at temperature 0; else as the expert's decoding says")
    max_tokens: int | None = Field(None, ge=1, description="new tokens per answer; null: as the expert's decoding says")
    limit: int | None = Field(None, ge=1, description="queries at most, evenly over the file; for a trial")


class AlpacaEval(Benchmark):
    """AlpacaEval, judged by which of two answers is better, the expert's or the reference's."""

    kind: Literal["alpaca_eval"] = "alpaca_eval"
    path: str = Field(description="published queries: `instruction`, `dataset` and the reference's `output`")
    references: str | None = Field(
        None, description="file of `instruction` and `output` of the reference (text-davinci-003); null: as in `path`"
    )


class Flask(Benchmark):
    """FLASK, rated by skills."""

    kind: Literal["flask"] = "flask"
    path: str = Field(description="published evaluation set")


class MTBench(Benchmark):
    """MT-Bench, two turns, each rated alone; an expert's decoding is one for all categories."""

    kind: Literal["mt_bench"] = "mt_bench"
    path: str = Field(description="published questions")
    references: str = Field(description="published reference answers of GPT-4")
    judge_prompts: str = Field(description="published prompts of the judge")


class MMLU(Benchmark):
    """MMLU, zero-shot."""

    kind: Literal["mmlu"] = "mmlu"
    path: str = Field(description="published directory of SUBJECT_test.csv")
    greedy: bool = True


class GSM8K(Benchmark):
    """GSM8K, zero-shot."""

    kind: Literal["gsm8k"] = "gsm8k"
    path: str = Field(description="published test set")
    greedy: bool = True


class HumanEval(Benchmark):
    """HumanEval, zero-shot; `grading` bounds the tests."""

    kind: Literal["human_eval"] = "human_eval"
    path: str = Field(description="published problems")
    greedy: bool = True


class Published(Config):
    """A benchmark from published answers and verdicts: no expert and no judge is asked."""

    kind: str
    path: str
    experts: dict[str, str] = Field(min_length=2)
    limit: int | None = Field(None, ge=1, description="queries at most, evenly over the file; for a trial")


class Annotations(Published):
    """AlpacaEval's."""

    kind: Literal["annotations"] = "annotations"
    path: str = Field(description="published queries of AlpacaEval, with their subsets")
    experts: dict[str, str] = Field(
        min_length=2, description="by expert a file of its answers and verdicts, or AlpacaEval's annotations.json"
    )
    reference: str = Field("text_davinci_003", description="what annotations call the generator of the reference")


class FlaskReviews(Published):
    """FLASK's."""

    kind: Literal["flask_reviews"] = "flask_reviews"
    path: str = Field(description="published evaluation set")
    experts: dict[str, str] = Field(
        min_length=2, description="by expert a file of reviews, as FLASK's script writes it"
    )


class MTBenchJudgments(Published):
    """MT-Bench's."""

    kind: Literal["mt_bench_judgments"] = "mt_bench_judgments"
    path: str = Field(description="published questions")
    judgments: str = Field(description="published judgments of single answers, such as gpt-4_single.jsonl")
    answers: str = Field(description="published directory of answers, MODEL.jsonl")
    experts: dict[str, str] = Field(min_length=2, description="by expert what `model` is in the judgments")


AnyBenchmark = Annotated[
    AlpacaEval | Flask | MTBench | MMLU | GSM8K | HumanEval | Annotations | FlaskReviews | MTBenchJudgments,
    Field(discriminator="kind"),
]
FAMILIES = {"annotations": "alpaca_eval", "flask_reviews": "flask", "mt_bench_judgments": "mt_bench"}
JUDGED = ("alpaca_eval", "flask", "mt_bench")


class JudgeConfig(Config):
    """The judge of AlpacaEval, FLASK and MT-Bench: any engine of an expert, an OpenAI-compatible endpoint too."""

    id: str = "judge"
    engine: Engine
    chat_template: str | None = Field(None, description="null: the one that comes with the tokenizer")
    decoding: Decoding = Field(default_factory=lambda: Decoding(temperature=0.0, max_tokens=1024))
    attempts: int = Field(3, ge=1, description="how often a question is asked, until a verdict can be read")
    retry_temperature: float = Field(0.7, gt=0, description="of later attempts; the same question has the same reply")

    @field_validator("id")
    @classmethod
    def _id_is_safe(cls, value: str) -> str:
        if not is_safe_id(value):
            raise ValueError(f"judge id {value!r} must be 1 to 64 letters, digits, dots, dashes or underscores")
        return value

    @model_validator(mode="after")
    def _no_budget(self) -> Self:
        if getattr(self.engine, "budget", None) is not None:
            raise ValueError("a budget is for experts; a judge's endpoint has none")
        return self


class BenchmarksConfig(Config):
    """The settings of `zooter benchmark`."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"run_dir", "ray"})
    run_dir: str = Field(description="local path or URI that every node sees")
    ray: RayConfig = Field(default_factory=RayConfig)
    benchmarks: list[AnyBenchmark] = Field(min_length=1)
    generation: GenerationConfig | None = Field(
        None,
        description="the experts; in a file also the path of a run's config, whose experts are taken over; "
        "a budget holds for each turn",
    )
    judge: JudgeConfig | None = None
    grading: ReferenceReward = Field(default_factory=ReferenceReward, description="limits of HumanEval's unit tests")
    reward_models: list[RewardModel] = Field(
        default_factory=list,
        description="they rank the answers in the report, as in the paper's Table 1; the rewards of the first are "
        "those of the outcomes; without any the grades are",
    )

    @model_validator(mode="after")
    def _reward_models_have_names(self) -> Self:
        check_ids([self.grading])
        check_ids(self.reward_models)
        return self

    @model_validator(mode="after")
    def _each_benchmark_once(self) -> Self:
        families = [family_of(benchmark.kind) for benchmark in self.benchmarks]
        if doubled := next((name for name in families if families.count(name) > 1), None):
            raise ValueError(f"benchmarks: {doubled} is there twice")
        return self

    @model_validator(mode="after")
    def _somebody_answers_and_judges(self) -> Self:
        if self.answered and self.generation is None:
            raise ValueError(f"{self.answered[0].kind} needs experts that answer; give a section `generation`")
        if self.judged and self.judge is None:
            raise ValueError(f"{self.judged[0]} needs a section `judge`")
        return self

    @model_validator(mode="after")
    def _one_pool(self) -> Self:
        for benchmark in self.benchmarks:
            if isinstance(benchmark, Published) and set(benchmark.experts) != set(self.experts):
                raise ValueError(
                    f"{benchmark.kind} name the experts {', '.join(sorted(benchmark.experts))}, "
                    f"but the pool is {', '.join(sorted(self.experts))}"
                )
        return self

    @property
    def answered(self) -> list[Benchmark]:
        """The benchmarks that the experts answer."""
        return [benchmark for benchmark in self.benchmarks if isinstance(benchmark, Benchmark)]

    @property
    def judged(self) -> list[str]:
        """The benchmarks that a judge grades, by kind."""
        return [benchmark.kind for benchmark in self.answered if benchmark.kind in JUDGED]

    @property
    def experts(self) -> Sequence[str]:
        """Ids of the pool."""
        if self.generation is not None:
            return [expert.id for expert in self.generation.experts]
        return next(list(one.experts) for one in self.benchmarks if isinstance(one, Published))


def family_of(kind: str) -> str:
    """The benchmark that a kind of settings is about."""
    return FAMILIES.get(kind, kind)
