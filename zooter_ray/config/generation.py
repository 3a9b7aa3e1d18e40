"""Settings of the generation stage: the expert pool and the engines that run it."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from zooter_ray.config.base import Config, is_safe_id
from zooter_ray.config.resources import StageResources


class Decoding(Config):
    """How an expert decodes. The defaults are the paper's (appendix B)."""

    temperature: float | None = Field(0.7, ge=0, description="null: not told, for endpoints that take none")
    top_p: float | None = Field(1.0, gt=0, le=1, description="null: not told")
    max_tokens: int = Field(2048, ge=1, description="new tokens at most")
    stop: list[str] = Field(default_factory=list)
    seed: int | None = None

    def at_attempt(self, attempt: int, temperature: float) -> "Decoding":
        """The first attempt (0) as it is set, others at this temperature, if any is told, with a seed of their own."""
        if attempt == 0:
            return self
        told = self.temperature is not None
        seed = (self.seed or 0) + 1000 * attempt
        return self.model_copy(update={"temperature": temperature if told else None, "seed": seed})


class VllmEngine(Config):
    """An expert that runs in vLLM, under Ray Data LLM in batch and under Ray Serve LLM when serving."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources", "batch_size", "concurrent_batches", "token_env"})
    kind: Literal["vllm"] = "vllm"
    source: str = Field(description="Hugging Face name, local path, or package:NAME for a model that is a package")
    dtype: str = "auto"
    max_model_len: int = Field(4096, ge=16, description="context window in tokens, prompt and response together")
    tensor_parallel_size: int = Field(1, ge=1)
    engine_kwargs: dict[str, Any] = Field(default_factory=dict, description="passed to vLLM as they are")
    batch_size: int = Field(32, ge=1, le=64, description="rows per call of an engine replica")
    concurrent_batches: int = Field(4, ge=1)
    token_env: str | None = Field(None, description="environment variable with the token of gated weights")
    resources: StageResources = Field(default_factory=lambda: StageResources(num_gpus=1))


class BudgetConfig(Config):
    """What a run may spend at an endpoint, which must send `usage`. It stops there; a larger one goes on."""

    tokens: int | None = Field(None, ge=1, description="of prompts and responses together")
    cost: float | None = Field(None, gt=0, description="in the currency of the prices")
    prompt_price: float = Field(0.0, ge=0, description="of a million prompt tokens")
    generated_price: float = Field(0.0, ge=0, description="of a million generated tokens")

    def cost_of(self, prompt_tokens: int, generated_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt_price + generated_tokens * self.generated_price) / 1e6

    @model_validator(mode="after")
    def _a_cost_needs_prices(self) -> Self:
        if self.cost is not None and not (self.prompt_price or self.generated_price):
            raise ValueError("a budget of cost needs prompt_price or generated_price")
        return self


class HttpEngine(Config):
    """An expert behind any OpenAI-compatible endpoint."""

    speed_only: ClassVar[frozenset[str]] = frozenset(
        {"resources", "concurrency", "timeout_s", "max_retries", "requests_per_minute", "budget", "api_key_env"}
    )
    kind: Literal["http"] = "http"
    base_url: str = Field(description="URL up to and with /v1")
    served_name: str = Field(description="what the endpoint calls the model")
    api_key_env: str | None = Field(None, description="environment variable with the API key; null: no key")
    timeout_s: float = Field(120.0, gt=0, description="of one attempt")
    max_retries: int = Field(4, ge=0, description="with exponential back-off, on 408, 409, 429, 5xx, lost connections")
    concurrency: int = Field(16, ge=1, description="requests under way at once, per worker")
    requests_per_minute: float | None = Field(None, gt=0, description="of a run, over all its workers")
    budget: BudgetConfig | None = None
    resources: StageResources = Field(default_factory=lambda: StageResources(num_cpus=0.5))


class DummyEngine(Config):
    """A simulated expert: deterministic answers and a simple model of time. For tests and benchmarks."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources", "request_log", "concurrency", "breaks_after"})
    kind: Literal["dummy"] = "dummy"
    first_token_s: float = Field(0.0, ge=0, description="time to first token")
    per_token_s: float = Field(0.0, ge=0, description="time per further token")
    tokens: int = Field(16, ge=1, description="generated tokens per response, at most decoding.max_tokens")
    accuracy: dict[str, float] = Field(
        default_factory=dict,
        description="share of queries per source that are answered with their reference; `*` is any other source",
    )
    failure_rate: float = Field(0.0, ge=0, le=1)
    breaks_after: int | None = Field(
        None, ge=0, description="served, it raises after so many tokens: what a defect of an engine looks like"
    )
    dies_on: str | None = Field(None, description="a query with this text in it ends the engine's process")
    seed: int = 0
    concurrency: int = Field(16, ge=1, description="requests under way at once, per worker")
    request_log: str | None = Field(None, description="file to which every request adds a line; for counting")
    resources: StageResources = Field(default_factory=lambda: StageResources(num_cpus=0.5))


Engine = Annotated[VllmEngine | HttpEngine | DummyEngine, Field(discriminator="kind")]


class ExpertConfig(Config):
    """One LLM of the pool."""

    id: str
    engine: Engine | None = None
    same_weights_as: str | None = Field(None, description="another expert whose engine this one shares")
    chat_template: str | None = Field(None, description="Jinja; null: the one that comes with the tokenizer")
    system_prompt: str | None = None
    decoding: Decoding = Field(default_factory=Decoding)
    n: int = Field(1, ge=1, description="responses per query in a run; each has a seed of its own")
    long_queries: Literal["reject", "truncate"] = Field(
        "reject", description="what happens to a query that leaves no room for decoding.max_tokens in the window"
    )

    @field_validator("id")
    @classmethod
    def _id_is_safe(cls, value: str) -> str:
        if not is_safe_id(value) or value == "zooter":
            raise ValueError(
                f"expert id {value!r} must be 1 to 64 letters, digits, dots, dashes or underscores, "
                "begin with a letter or digit, and not be `zooter`; a colon would be taken for a LoRA adapter"
            )
        return value

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if self.n > 1 and (self.decoding.seed is None or self.decoding.temperature == 0):
            raise ValueError(f"expert {self.id!r}: {self.n} responses per query need decoding.seed and a temperature")
        return self

    @model_validator(mode="after")
    def _one_engine(self) -> Self:
        if (self.engine is None) == (self.same_weights_as is None):
            raise ValueError(f"expert {self.id!r} needs either `engine` or `same_weights_as`")
        return self


class GenerationConfig(Config):
    """Settings of the generation stage. The order of the experts is the class order of the router."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"block_rows", "engine_deaths", "side_by_side"})
    experts: list[ExpertConfig] = Field(min_length=2)
    block_rows: int = Field(64, ge=1, le=64, description="rows that are committed together")
    side_by_side: bool = Field(
        False, description="run as many engines at a time as fit into the cluster, each with all its workers"
    )
    engine_deaths: int = Field(
        2, ge=1, description="engines that may die on a query that they have alone, before it is rejected"
    )

    @model_validator(mode="after")
    def _ids_are_unique_and_known(self) -> Self:
        ids = [expert.id for expert in self.experts]
        if doubled := sorted({expert_id for expert_id in ids if ids.count(expert_id) > 1}):
            raise ValueError(f"expert ids must be unique; twice: {', '.join(doubled)}")
        bases = [expert.id for expert in self.experts if expert.engine is not None]
        for expert in self.experts:
            engine = expert.engine or next((b.engine for b in self.experts if b.id == expert.same_weights_as), None)
            if isinstance(engine, VllmEngine) and expert.decoding.max_tokens >= engine.max_model_len:
                raise ValueError(
                    f"expert {expert.id!r}: decoding.max_tokens {expert.decoding.max_tokens} leaves no room "
                    f"for a query in max_model_len {engine.max_model_len}"
                )
            if expert.same_weights_as is not None and expert.same_weights_as not in bases:
                raise ValueError(
                    f"expert {expert.id!r} is same_weights_as {expert.same_weights_as!r}, "
                    f"which is no expert with an engine; those are: {', '.join(bases)}"
                )
        return self
