"""Read the sources, take out duplicates and benchmark samples, and commit what is left, sorted by query id."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset
from rich.console import Console

from zooter_ray.artifacts import Unit, commit, is_complete, remove, write_manifest
from zooter_ray.config.queries import QueriesConfig
from zooter_ray.errors import DataError, StageError
from zooter_ray.progress import track
from zooter_ray.queries.decontamination import BenchmarkIndex, contamination, index_benchmarks
from zooter_ray.queries.duplicates import first_of_each, text_key
from zooter_ray.queries.sources import NO_QUERY, files_of, read_file, read_source
from zooter_ray.schemas import QUERIES, REJECTED
from zooter_ray.stages.blocks import WHOLE, partitions_for
from zooter_ray.stages.counts import add_up, count_table
from zooter_ray.stages.queries.near import near_duplicates
from zooter_ray.timing import Stopwatch

READ = (
    QUERIES.append(pa.field("key", pa.string()))
    .append(pa.field("reason", pa.string()))
    .append(pa.field("detail", pa.string()))
)
CONTAMINATED = "shares an n-gram with a benchmark"


def run(config: QueriesConfig, clean: Unit, console: Console) -> None:
    """Make the unit of clean queries, if it is not complete.

    Raises:
        DataError: for a row that cannot be used, or a query id that stands for two texts.
        StageError: if nothing is left.
    """
    if is_complete(clean):
        return
    remove(clean)  # parts of an interrupted run: a duplicate is only known among all rows, so it starts anew
    watch = Stopwatch()
    rows = read(config).materialize()
    total, partitions = rows.count(), partitions_for(rows.size_bytes())
    if config.deduplication.exact:
        rows = rows.repartition(partitions, keys=["key"]).map_batches(mark_duplicates, **WHOLE)
    near: Any = None
    if config.deduplication.near is not None:
        rows = rows.materialize()
        near = near_duplicates(rows, config.deduplication.near, total, partitions)
    index = ray.put(benchmark_index(config))
    rows = rows.map_batches(mark, fn_args=(near, index), **WHOLE).sort("query_id")
    committed = rows.map_batches(commit_block, fn_args=(clean.path, clean.rejected), **WHOLE)
    counts: dict[str, Counter[str]] = {"read": Counter(), "clean": Counter(), "reasons": Counter()}
    track(watch.over(add_up(committed, counts, "read")), total, "queries: cleaning", console)
    left = sum(counts["clean"].values())
    if not left:
        raise StageError(f"no query is left of {total}: {dict(counts['reasons'])}")
    sources = {"read": dict(counts["read"]), "clean": dict(counts["clean"])}
    write_manifest(clean, total, left, counts["reasons"], {"sources": sources})
    watch.write([clean])


def read(config: QueriesConfig) -> Dataset:
    """Rows of READ: those of every file of every source, one task each."""
    files = [
        {"source": index, "path": path} for index, source in enumerate(config.sources) for path in files_of(source)
    ]
    rows = ray.data.from_items(files, override_num_blocks=len(files)).flat_map(_rows, fn_args=(config,), num_cpus=0.25)
    return rows.map_batches(with_key, **{**WHOLE, "batch_size": 4096})


def _rows(file: dict[str, Any], config: QueriesConfig) -> Iterator[dict[str, Any]]:
    return read_file(config.sources[file["source"]], file["path"], config.seed, config.eval_share)


def with_key(rows: pa.Table) -> pa.Table:
    """Rows of READ; one without a query is rejected right away, under a key of its own."""
    found = rows.to_pylist()
    for row in found:
        row["key"] = text_key(row["query"]) if row["query"] else f"no query: {row['query_id']}"
        row["reason"] = None if row["query"] else NO_QUERY
        row["detail"] = None
    return pa.Table.from_pylist(found, READ)


def mark_duplicates(rows: pa.Table) -> pa.Table:
    """Of the rows with the same key, all of which are here, the one with the smallest id is unmarked."""
    first_Q = first_of_each(rows.select(["key", "query_id"]))
    of = rows["query_id"].take(pa.array(first_Q))
    doubled = pc.and_(pc.not_equal(pa.array(first_Q), pa.array(range(rows.num_rows))), pc.is_null(rows["reason"]))
    return _marked(rows, doubled, "duplicate", pc.binary_join_element_wise("same text as ", of, ""))


def mark(rows: pa.Table, near: Any, index: Any) -> pa.Table:
    """Mark near-duplicates (a table of query_id and other, by reference) and benchmark samples."""
    if near is not None:
        pairs = ray.get(near)
        found = pc.index_in(rows["query_id"], value_set=pairs["query_id"])
        doubled = pc.and_(pc.is_valid(found), pc.is_null(rows["reason"]))
        rows = _marked(
            rows, doubled, "near-duplicate", pc.binary_join_element_wise("much like ", pairs["other"].take(found), "")
        )
    benchmarks: BenchmarkIndex = ray.get(index)
    if not len(benchmarks.hash_G):
        return rows
    matches = [
        contamination(query, benchmarks) if reason is None else None
        for query, reason in zip(rows["query"].to_pylist(), rows["reason"].to_pylist(), strict=True)
    ]
    texts = [None if match is None else f"shares {match[1]!r} with {match[0]}" for match in matches]
    details = pa.array(texts, pa.string())
    return _marked(rows, pc.is_valid(details), CONTAMINATED, details)


def _marked(rows: pa.Table, marked: Any, reason: str, details: Any) -> pa.Table:
    reasons = pc.if_else(marked, reason, rows["reason"])
    details = pc.if_else(marked, details, rows["detail"])
    kept = rows.drop_columns(["reason", "detail"])
    return kept.append_column(READ.field("reason"), reasons).append_column(READ.field("detail"), details)


def benchmark_index(config: QueriesConfig) -> BenchmarkIndex:
    """n-grams of every configured benchmark."""
    samples = (
        (f"{row['source']}/{row['query_id']}", row["query"])
        for benchmark in config.decontamination.benchmarks
        for row in read_source(benchmark, config.seed, 0.0)
    )
    return index_benchmarks(samples, config.decontamination.n)


def commit_block(rows: pa.Table, path: str, rejected: str) -> pa.Table:
    """Write a block, sorted by id, and count it by source and reason."""
    bad = rows.filter(pc.is_valid(rows["reason"]))
    good = rows.filter(pc.is_null(rows["reason"]))
    ids = good["query_id"].to_pylist()
    if doubled := next((one for one, other in pairwise(ids) if one == other), None):
        raise DataError(f"query_id {doubled!r} stands for two queries in the sources; ids must be unique")
    if good.num_rows:
        commit(path, good.select(QUERIES.names).cast(QUERIES), ["query_id"])
    if bad.num_rows:
        missing = {"expert": pa.nulls(bad.num_rows, pa.string()), "sample": pa.nulls(bad.num_rows, pa.int32())}
        for name, column in missing.items():
            bad = bad.append_column(name, column)
        commit(rejected, bad.select(REJECTED.names).cast(REJECTED), ["query_id", "reason"])
    columns = {"read": rows["source"], "clean": good["source"], "reasons": bad["reason"]}
    return count_table({what: column.to_pylist() for what, column in columns.items()})
