"""Settings of the queries stage: sources, tagging, decontamination, sampling."""

import functools
import importlib.resources
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import Field, model_validator

from zooter_ray.config.base import Config
from zooter_ray.config.generation import Decoding, Engine, VllmEngine
from zooter_ray.config.resources import StageResources

VICUNA_TEMPLATE = (
    "{{ bos_token }}A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the human's questions. "
    "{% for message in messages %}USER: {{ message.content }} {% endfor %}ASSISTANT:"
)


class DemoSetSource(Config):
    """The query set that the project makes itself."""

    kind: Literal["demo_set"] = "demo_set"


COLUMNS = {
    "column": "query",
    "conversations": "conversations",
    "messages": "messages",
    "instruction": "instruction",
}


@functools.cache
def data_sets() -> dict[str, dict[str, Any]]:
    """Settings of the published files of known data sets, by name."""
    text = importlib.resources.files("zooter_ray.config").joinpath("data_sets.yaml").read_text(encoding="utf-8")
    known: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return known


class FileSource(Config):
    """JSON, JSON Lines or Parquet files (JSON optionally .gz) with one query per row, and which column holds what."""

    kind: Literal["file"] = "file"
    path: str = Field(description="local path or URI; `*` and `?` stand for many files")
    name: str = Field(description="what the `source` column says of rows that have no source of their own")
    data_set: str | None = Field(None, description="a known data set, whose settings are taken over (data_sets.yaml)")
    parser: Literal["column", "conversations", "messages", "instruction"] = Field(
        "column", description="where a row's query is: in a column, or in the first user turn of a conversation"
    )
    query_column: str | None = Field(
        None, description="null: query, conversations, messages or instruction, as the parser says; `a.b.0` goes deeper"
    )
    input_column: str = Field("input", description="what an instruction may come with")
    id_column: str | None = Field("query_id", description="null: the id is made from the source and the text")
    source_column: str | None = Field(None, description="column that names the source (subset) of a row")
    tags_column: str | None = Field(None, description="column with a list of tags, for the tagger `column`")
    reference_column: str | None = Field(None, description="column with a reference, as JSON text or as an object")
    split_column: str | None = Field(None, description="column that says train or eval")

    @model_validator(mode="before")
    @classmethod
    def _take_over_data_set(cls, values: Any) -> Any:
        name = values.get("data_set") if isinstance(values, dict) else None
        if name is None:
            return values
        if name not in data_sets():
            raise ValueError(f"no data set is called {name!r}; known are {', '.join(data_sets())}")
        return {"name": name, **data_sets()[name], **values}

    @property
    def column(self) -> str:
        """The column that the parser reads."""
        return self.query_column or COLUMNS[self.parser]


class RulesTagger(Config):
    """Tags by cheap keyword rules; needs no model."""

    kind: Literal["rules"] = "rules"


class ColumnTagger(Config):
    """Tags that the sources bring along."""

    kind: Literal["column"] = "column"


class ClustersTagger(Config):
    """One tag per query: its cluster by k-means over sentence embeddings; needs no LLM."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources"})
    kind: Literal["clusters"] = "clusters"
    clusters: int = Field(1000, ge=2)
    embedder: str = Field("package:all-minilm-l6-v2", description="Hugging Face name, local path or package:NAME")
    max_length: int = Field(256, ge=8, description="tokens of a query that the embedder reads")
    fitted_on: int = Field(100_000, ge=100, description="queries, drawn by hash, that the centres are fitted on")
    resources: StageResources = Field(default_factory=StageResources)


class InsTagger(Config):
    """Tags by an LLM that was trained to give them (InsTag); any engine of an expert will do."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"block_rows"})
    kind: Literal["instagger"] = "instagger"
    engine: Engine = Field(
        default_factory=lambda: VllmEngine(source="OFA-Sys/InsTagger", dtype="bfloat16", max_model_len=2048)
    )
    decoding: Decoding = Field(default_factory=lambda: Decoding(temperature=0.0, max_tokens=512))
    chat_template: str | None = Field(VICUNA_TEMPLATE, description="null: the one that comes with the tokenizer")
    block_rows: int = Field(64, ge=1, le=64, description="rows that are committed together")

    @model_validator(mode="after")
    def _no_budget(self) -> Self:
        if getattr(self.engine, "budget", None) is not None:
            raise ValueError("a budget is for experts; a tagger's endpoint has none")
        return self


Tagger = Annotated[RulesTagger | ColumnTagger | ClustersTagger | InsTagger, Field(discriminator="kind")]


class TagsConfig(Config):
    """Normalisation of tags, after InsTag: spellings of one tag become one, and rare tags go."""

    fold: bool = Field(True, description="case, punctuation and plurals")
    min_queries: int = Field(1, ge=1, description="a tag of fewer queries goes")
    merge_similarity: float | None = Field(
        None, gt=0, le=1, description="tags whose embeddings have at least this cosine become one, the more frequent"
    )
    embedder: str = "package:all-minilm-l6-v2"


class DecontaminationConfig(Config):
    """Section 4.1: drop every query that shares an n-gram with any benchmark sample."""

    benchmarks: list[FileSource] = Field(default_factory=list)
    n: int = Field(6, ge=1, description="words in an n-gram")


class DeduplicationConfig(Config):
    """Of queries that are the same, or nearly so, the one with the smallest id stays."""

    exact: bool = Field(True, description="the same after NFKC and case folding")
    near: float | None = Field(
        0.8, ge=0.5, le=1, description="least Jaccard similarity of word 5-grams of near-duplicates; null: kept"
    )


class QueriesConfig(Config):
    """Settings of the queries stage."""

    sources: list[Annotated[DemoSetSource | FileSource, Field(discriminator="kind")]] = Field(min_length=1)
    deduplication: DeduplicationConfig = Field(default_factory=DeduplicationConfig)
    tagger: Tagger = Field(default_factory=RulesTagger)
    tags: TagsConfig = Field(default_factory=TagsConfig)
    decontamination: DecontaminationConfig = Field(default_factory=DecontaminationConfig)
    per_tag: int | None = Field(None, ge=1, description="queries drawn for each unique tag (10 in the paper)")
    limit: int | None = Field(None, ge=1, description="queries drawn in all, after `per_tag`")
    eval_share: float = Field(0.0, ge=0, lt=1, description="share held out where a source has no split of its own")
    rows_per_file: int = Field(4096, ge=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _column_tagger_needs_a_column(self) -> Self:
        if self.tagger.kind == "column":
            check_tags_column(self.sources, "tagger")
        return self


def check_tags_column(sources: Sequence[DemoSetSource | FileSource], setting: str) -> None:
    """Refuse the tagger `column` where no source brings tags."""
    if not any(isinstance(source, FileSource) and source.tags_column for source in sources):
        raise ValueError(f"{setting} `column` needs a file source with `tags_column`")
