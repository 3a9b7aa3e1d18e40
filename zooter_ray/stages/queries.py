"""Stage 1, queries: read, tag, decontaminate, draw -> `queries`, sorted by query id."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import ray
from ray.data import Dataset
from rich.console import Console

from zooter_ray.artifacts import Unit, commit, is_complete, make_unit, remove, write_manifest
from zooter_ray.config.queries import QueriesConfig
from zooter_ray.errors import DataError, StageError
from zooter_ray.progress import track
from zooter_ray.queries.decontamination import Ngram, contamination, index_benchmarks
from zooter_ray.queries.sampling import draw
from zooter_ray.queries.sources import content_hash, read_source
from zooter_ray.queries.tagging import RULES, rule_tags
from zooter_ray.schemas import QUERIES, REJECTED

STAGE = "01_queries"
TAGGED = QUERIES.append(pa.field("rejected", pa.string()))


def unit(config: QueriesConfig, run_dir: str) -> Unit:
    """The one unit of this stage: it depends on the settings and on what the sources hold."""
    sources = [*config.sources, *config.decontamination.benchmarks]
    contents = [content_hash(source, config.seed) for source in sources]
    rules = RULES if config.tagger.kind == "rules" else None
    return make_unit(run_dir, STAGE, "queries", {**config.identity(), "contents": contents, "rules": rules})


def run(config: QueriesConfig, run_dir: str, console: Console) -> Unit:
    """Make the queries unit, if it is not complete.

    Raises:
        DataError: for a row that cannot be used, or a query id that stands twice.
        StageError: if no training query is left.
    """
    queries = unit(config, run_dir)
    if is_complete(queries):
        return queries
    remove(queries)  # parts of an interrupted run: drawing needs all rows, so it starts anew
    tagged = tag(config).materialize()
    total = tagged.count()
    keys = tagged.select_columns(["query_id", "tags", "split", "rejected"])
    clean, dropped = _clean_ids(keys)
    drawn = draw(clean, config.per_tag, config.limit, config.seed)
    if len(drawn) < len(clean):
        dropped["not drawn"] = len(clean) - len(drawn)
    track(_commit(tagged, drawn, config.rows_per_file, queries), len(drawn), "queries", console)
    if not drawn:
        raise StageError(f"no query is left of {total}: {dict(dropped)}")
    write_manifest(queries, total, len(drawn), dropped)
    return queries


def tag(config: QueriesConfig) -> Dataset:
    """Rows of every source with tags and, where they share an n-gram with a benchmark, the match in `rejected`."""
    sources = ray.data.from_items([{"index": index} for index in range(len(config.sources))])
    rows = sources.flat_map(_read, fn_args=(config,), num_cpus=0.25)
    index = ray.put(_benchmark_index(config))
    return rows.map_batches(_tag_block, fn_args=(config, index), batch_size=1024, batch_format="pyarrow", num_cpus=0.25)


def _read(item: dict[str, Any], config: QueriesConfig) -> Iterator[dict[str, Any]]:
    return read_source(config.sources[item["index"]], config.seed, config.eval_share)


def _benchmark_index(config: QueriesConfig) -> dict[Ngram, str]:
    """n-gram -> benchmark sample, over every configured benchmark."""
    samples = (
        (f"{row['source']}/{row['query_id']}", row["query"])
        for benchmark in config.decontamination.benchmarks
        for row in read_source(benchmark, config.seed, 0.0)
    )
    return index_benchmarks(samples, config.decontamination.n)


def _tag_block(block: pa.Table, config: QueriesConfig, index: Any) -> pa.Table:
    benchmark_index: dict[Ngram, str] = ray.get(index)
    rows = block.to_pylist()
    for row in rows:
        if config.tagger.kind == "rules":
            row["tags"] = rule_tags(row["query"])
        match = contamination(row["query"], benchmark_index, config.decontamination.n)
        row["rejected"] = None if match is None else f"shares {match[1]!r} with {match[0]}"
    return pa.Table.from_pylist(rows, TAGGED)


def _clean_ids(keys: Dataset) -> tuple[list[tuple[str, list[str]]], Counter[str]]:
    """(query_id, tags) of the rows that were not rejected, and the rejected counted by reason."""
    clean: list[tuple[str, list[str]]] = []
    dropped: Counter[str] = Counter()
    seen: set[str] = set()
    for row in keys.iter_rows():
        if row["query_id"] in seen:
            raise DataError(f"query_id {row['query_id']!r} stands twice in the sources; ids must be unique")
        seen.add(row["query_id"])
        if row["rejected"] is None:
            clean.append((row["query_id"], list(row["tags"])))
        else:
            dropped["shares an n-gram with a benchmark"] += 1
    return clean, dropped


def _commit(tagged: Dataset, drawn: set[str], rows_per_file: int, queries: Unit) -> Iterator[int]:
    """Write the drawn rows, sorted, and the decontaminated ones; yields rows written."""
    for batch in tagged.sort("query_id").iter_batches(batch_size=rows_per_file, batch_format="pyarrow"):
        keep = pa.array([query_id in drawn for query_id in batch["query_id"].to_pylist()], pa.bool_())
        rejected = batch.filter(batch["rejected"].is_valid())
        if rejected.num_rows:
            commit(queries.rejected, _rejected_table(rejected), ["query_id"])
        kept = batch.filter(keep)
        if kept.num_rows:
            commit(queries.path, kept.select(QUERIES.names).cast(QUERIES), ["query_id"])
        yield kept.num_rows


def _rejected_table(rows: pa.Table) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"query_id": row["query_id"], "reason": "shares an n-gram with a benchmark", "detail": row["rejected"]}
            for row in rows.to_pylist()
        ],
        REJECTED,
    )
