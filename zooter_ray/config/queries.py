"""Settings of the queries stage: sources, tagging, decontamination, sampling."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zooter_ray.config.base import Config


class DemoSetSource(Config):
    """The query set that the project makes itself."""

    kind: Literal["demo_set"] = "demo_set"


class FileSource(Config):
    """A JSON Lines (optionally .gz) or Parquet file with one query per row, and which column holds what."""

    kind: Literal["file"] = "file"
    path: str = Field(description="local path or URI")
    name: str = Field(description="what the `source` column says of rows that have no source of their own")
    query_column: str = "query"
    id_column: str | None = Field("query_id", description="null: the id is made from the source and the text")
    source_column: str | None = Field(None, description="column that names the source (subset) of a row")
    tags_column: str | None = Field(None, description="column with a list of tags, for the tagger `column`")
    reference_column: str | None = Field(None, description="column with a reference, as JSON text or as an object")
    split_column: str | None = Field(None, description="column that says train or eval")


class RulesTagger(Config):
    """Tags by cheap keyword rules; needs no model."""

    kind: Literal["rules"] = "rules"


class ColumnTagger(Config):
    """Tags that the sources bring along."""

    kind: Literal["column"] = "column"


class DecontaminationConfig(Config):
    """Section 4.1: drop every query that shares an n-gram with any benchmark sample."""

    benchmarks: list[FileSource] = Field(default_factory=list)
    n: int = Field(6, ge=1, description="words in an n-gram")


class QueriesConfig(Config):
    """Settings of the queries stage."""

    sources: list[Annotated[DemoSetSource | FileSource, Field(discriminator="kind")]] = Field(min_length=1)
    tagger: Annotated[RulesTagger | ColumnTagger, Field(discriminator="kind")] = Field(default_factory=RulesTagger)
    decontamination: DecontaminationConfig = Field(default_factory=DecontaminationConfig)
    per_tag: int | None = Field(None, ge=1, description="queries drawn for each unique tag (10 in the paper)")
    limit: int | None = Field(None, ge=1, description="queries drawn in all, after `per_tag`")
    eval_share: float = Field(0.0, ge=0, lt=1, description="share held out where a source has no split of its own")
    rows_per_file: int = Field(4096, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _column_tagger_needs_a_column(self) -> Self:
        files = [source for source in self.sources if isinstance(source, FileSource)]
        if self.tagger.kind == "column" and not any(source.tags_column for source in files):
            raise ValueError("tagger `column` needs a file source with `tags_column`")
        return self
