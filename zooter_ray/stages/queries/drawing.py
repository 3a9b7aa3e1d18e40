"""Normalise the tags, draw k queries for each, and commit what was drawn, sorted by query id."""

import posixpath
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset
from rich.console import Console

from zooter_ray.artifacts import (
    Unit,
    commit,
    is_complete,
    read_manifest,
    remove,
    write_bytes,
    write_manifest,
    write_table,
)
from zooter_ray.config.queries import QueriesConfig, TagsConfig
from zooter_ray.errors import StageError
from zooter_ray.package_models import absolute_source
from zooter_ray.progress import track
from zooter_ray.queries.composition import Composition, markdown
from zooter_ray.queries.sampling import KEYS, limit_keys, smallest, tag_keys
from zooter_ray.queries.vocabulary import Vocabulary, make_vocabulary
from zooter_ray.schemas import QUERIES, TAGS, VOCABULARY
from zooter_ray.stages.blocks import WHOLE, in_cluster, partitions_for, rows_of
from zooter_ray.stages.counts import add_up, count_table
from zooter_ray.timing import Stopwatch

VOCABULARY_FILE, COMPOSITION_FILE = "vocabulary.parquet", "composition.md"
TAG_COUNTS = pa.schema([("raw", pa.string()), ("queries", pa.int64())])


def run(config: QueriesConfig, clean: Unit, tags: Unit, drawn: Unit, console: Console) -> None:
    """Make the unit of drawn queries, if it is not complete.

    Raises:
        StageError: if none is drawn.
    """
    if is_complete(drawn):
        return
    remove(drawn)
    watch = Stopwatch()
    tagged_by = rows_of([tags], TAGS).map_batches(_raw_tags, **WHOLE)
    vocabulary = make_tags(config.tags, tagged_by, drawn.path)
    rows = rows_of([clean], QUERIES).materialize()
    partitions = partitions_for(rows.size_bytes())
    tagged = rows.join(tagged_by, "inner", partitions, on=("query_id",)).map_batches(
        normalise, fn_args=(vocabulary,), **WHOLE
    )
    if config.per_tag is not None or config.limit is not None:
        tagged = tagged.materialize()
        chosen = draw(tagged, config.per_tag, config.limit, config.seed, partitions)
        tagged = tagged.map_batches(keep, fn_args=(chosen,), **WHOLE)
    kept = tagged.sort("query_id").materialize()
    blocks = max(1, -(-kept.count() // config.rows_per_file))
    committed = kept.repartition(blocks).map_batches(commit_block, fn_args=(drawn.path,), **WHOLE)
    counts: dict[str, Counter[str]] = {"drawn": Counter(), "tags": Counter(), "untagged": Counter()}
    total = track(watch.over(add_up(committed, counts, "drawn")), kept.count(), "queries: drawing", console)
    if not total:
        raise StageError("no query is drawn: none is left")
    close(clean, tags, drawn, counts)
    watch.write([drawn])
    where = posixpath.join(drawn.path, COMPOSITION_FILE)
    console.print(f"queries: {total} drawn, {len(counts['tags'])} tags; see {where}", highlight=False, soft_wrap=True)


def retag(config: TagsConfig, tags: Unit, retagged: Unit) -> None:
    """Make the unit of normalised tags, if it is not complete."""
    if is_complete(retagged):
        return
    remove(retagged)
    rows = rows_of([tags], TAGS)
    vocabulary = make_tags(config, rows.map_batches(_raw_tags, **WHOLE), retagged.path)
    committed = rows.map_batches(_commit_tags, fn_args=(vocabulary, retagged.path), **WHOLE)
    total = sum(add_up(committed, {}, "retagged"))
    write_manifest(retagged, total, total, {})


def _commit_tags(rows: pa.Table, vocabulary: Any, path: str) -> pa.Table:
    known: Vocabulary = ray.get(vocabulary)
    tags = pa.array([known.apply(raw) for raw in rows["tags"].to_pylist()], TAGS.field("tags").type)
    commit(path, rows.set_column(rows.schema.get_field_index("tags"), "tags", tags), ["query_id"])
    return count_table({"retagged": [""] * rows.num_rows})


def _raw_tags(rows: pa.Table) -> pa.Table:
    return rows.select(["query_id", "tags"]).rename_columns(["query_id", "raw"])


def make_tags(config: TagsConfig, tagged_by: Dataset, path: str) -> Any:
    """Reference to the vocabulary of all tags; written to a file as well."""
    config = config.model_copy(update={"embedder": absolute_source(config.embedder)})
    counts = tagged_by.map_batches(count_tags, **WHOLE)
    return in_cluster(_make_vocabulary, config, posixpath.join(path, VOCABULARY_FILE), *counts.to_arrow_refs())


def count_tags(rows: pa.Table) -> pa.Table:
    """Queries of the block per raw tag."""
    counts = Counter(tag for tags in rows["raw"].to_pylist() for tag in set(tags))
    return pa.table([list(counts), list(counts.values())], TAG_COUNTS)


def _make_vocabulary(config: TagsConfig, path: str, *counts: pa.Table) -> Vocabulary:
    whole = pa.concat_tables(
        [TAG_COUNTS.empty_table(), *(table.cast(TAG_COUNTS) for table in counts if table.num_rows)]
    )
    summed = whole.group_by("raw").aggregate([("queries", "sum")]).sort_by("raw")
    per_tag = dict(zip(summed["raw"].to_pylist(), summed["queries_sum"].to_pylist(), strict=True))
    embed = None
    if config.merge_similarity is not None:
        from zooter_ray.embedding import Embedder  # torch takes seconds to import, and other tasks need none

        embed = Embedder(config.embedder)
    vocabulary = make_vocabulary(per_tag, config.fold, config.min_queries, config.merge_similarity, embed)
    rows = [{"raw": raw, "tag": vocabulary.tag_of[raw], "queries": count} for raw, count in vocabulary.queries.items()]
    write_table(path, pa.Table.from_pylist(rows, VOCABULARY))
    return vocabulary


def normalise(rows: pa.Table, vocabulary: Any) -> pa.Table:
    """Rows of QUERIES with the vocabulary's tags in place of raw ones."""
    known: Vocabulary = ray.get(vocabulary)
    tags = pa.array([known.apply(raw) for raw in rows["raw"].to_pylist()], QUERIES.field("tags").type)
    return rows.set_column(rows.schema.get_field_index("tags"), "tags", tags).select(QUERIES.names)


def draw(tagged: Dataset, per_tag: int | None, limit: int | None, seed: int, partitions: int) -> Any:
    """Reference to the ids of the drawn queries: the k smallest chances of each tag, then so many of all."""
    if per_tag is None:
        keys = tagged.map_batches(_limit_keys, fn_args=(limit, seed), **WHOLE)
    else:
        keys = (
            tagged.map_batches(_tag_keys, fn_args=(per_tag, seed), **WHOLE)
            .repartition(partitions, keys=["group"])
            .map_batches(smallest, fn_args=(per_tag,), **WHOLE)
        )
    return in_cluster(_drawn_ids, limit, seed, *keys.to_arrow_refs())


def _tag_keys(rows: pa.Table, k: int, seed: int) -> pa.Table:
    return smallest(tag_keys(rows["query_id"].to_pylist(), rows["tags"].to_pylist(), seed), k)


def _limit_keys(rows: pa.Table, k: int, seed: int) -> pa.Table:
    return smallest(limit_keys(rows["query_id"].to_pylist(), seed), k)


def _drawn_ids(limit: int | None, seed: int, *keys: pa.Table) -> pa.ChunkedArray:
    whole = pa.concat_tables([KEYS.empty_table(), *(table.cast(KEYS) for table in keys if table.num_rows)])
    drawn = pc.unique(whole["query_id"])
    return drawn if limit is None else smallest(limit_keys(drawn.to_pylist(), seed), limit)["query_id"]


def keep(rows: pa.Table, chosen: Any) -> pa.Table:
    """The rows whose ids are among the chosen ones."""
    return rows.filter(pc.is_in(rows["query_id"], value_set=ray.get(chosen)))


def commit_block(rows: pa.Table, path: str) -> pa.Table:
    """Write a block, and count it by source and by tag."""
    if rows.num_rows:
        commit(path, rows.cast(QUERIES), ["query_id"])
    tags = rows["tags"].to_pylist()
    return count_table(
        {
            "drawn": rows["source"].to_pylist(),
            "tags": [tag for row in tags for tag in row],
            "untagged": ["" for row in tags if not row],
        }
    )


def close(clean: Unit, tags: Unit, drawn: Unit, counts: Mapping[str, Counter[str]]) -> None:
    """Write what the drawn queries are made of, then the manifest, with every reason for which a row was dropped."""
    read, failures = read_manifest(clean), read_manifest(tags)["failures"]
    composition = Composition(
        Counter(read["sources"]["read"]), Counter(read["sources"]["clean"]), counts["drawn"], counts["tags"],
        sum(counts["untagged"].values()),
    )  # fmt: skip
    write_bytes(posixpath.join(drawn.path, COMPOSITION_FILE), markdown(composition).encode())
    total = sum(counts["drawn"].values())
    dropped = dict(read["dropped"])
    if total < read["rows_out"]:
        dropped["not drawn"] = read["rows_out"] - total
    extra = {"sources": {**read["sources"], "drawn": dict(counts["drawn"])}, "tags": len(counts["tags"]),
             "tagging_failures": failures}  # fmt: skip
    write_manifest(drawn, read["rows_in"], total, dropped, extra)
