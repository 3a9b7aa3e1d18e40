"""Tag the clean queries: four taggers behind one seam, from rows of queries to rows of TAGS.

Committed block by block, so that a run of an LLM that is killed goes on where it stopped.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset
from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, read_manifest, read_table, remove
from zooter_ray.clusters import cluster_centres, cluster_tags
from zooter_ray.config.generation import ExpertConfig
from zooter_ray.config.queries import ClustersTagger, InsTagger, Tagger
from zooter_ray.errors import StageError
from zooter_ray.hashing import hash_fraction
from zooter_ray.package_models import absolute_source
from zooter_ray.progress import track
from zooter_ray.queries.instag import instag_prompt, parse_tags
from zooter_ray.queries.rules import rule_tags
from zooter_ray.resources import Check, least, least_of_engine
from zooter_ray.schemas import QUERIES, TAGS
from zooter_ray.stages.blocks import (
    WHOLE,
    close,
    committed_rows,
    done_keys,
    in_actors,
    in_cluster,
    rows_of,
    without_done,
)
from zooter_ray.stages.engines import ENGINES
from zooter_ray.stages.engines.ledger import ENGINE_DEATHS, Ledger, new_ledger

EMBEDDED_TOGETHER = 4096
TAGGER = "tagger"  # the name under which its one unit is committed


def run(tagger: Tagger, seed: int, clean: Unit, tags: Unit, console: Console, check: Check) -> None:
    """Make the unit of tags, if it is not complete."""
    if is_complete(tags):
        return
    if tagger.kind == "instagger":
        check({"engine.resources of the tagger": least_of_engine(tagger.engine)})
    elif tagger.kind == "clusters":
        check({"resources of the tagger": least(tagger.resources)})
        remove(tags)  # parts of an interrupted run: centres follow from all queries, so it starts anew
    total = read_manifest(clean)["rows_out"]
    done, finished = done_keys({TAGGER: tags}, TAGS)
    if finished < total:
        rows = rows_of([clean], QUERIES).map_batches(_named, **WHOLE)
        fresh = rows.map_batches(without_done, fn_args=(done,), **WHOLE)
        dataset = TAGGERS[tagger.kind](fresh, tagger, seed, new_ledger([tags], ENGINE_DEATHS))
        name = f"queries: tags ({tagger.kind})"
        track(committed_rows(dataset, {TAGGER: tags}, TAGS), total, name, console, finished)
    failures = ray.get(in_cluster(_failures, tags.path))
    close(tags, TAGS, total, {"failures": failures})
    if failed := sum(failures.values()):
        console.print(f"queries: {failed} of {total} got no tags, see {tags.path}", highlight=False, soft_wrap=True)


def _failures(path: str) -> dict[str, int]:
    """Rows on which tagging failed, by reason."""
    found = read_table(path, TAGS, ["failure"])["failure"].drop_null()
    return {row["values"]: row["counts"] for row in found.value_counts().to_pylist()}


def _named(rows: pa.Table) -> pa.Table:
    """Rows with the columns by which blocks are committed."""
    expert = pa.array([TAGGER] * rows.num_rows, pa.string())
    return rows.append_column("expert", expert).append_column("sample", pa.array([0] * rows.num_rows, pa.int32()))


def tag_table(rows: pa.Table, tags: list[list[str]], failures: list[str | None] | None = None) -> pa.Table:
    """Rows of TAGS, and what committing them needs."""
    count = rows.num_rows
    return pa.table(
        {
            **{name: rows[name] for name in ("query_id", "sample", "expert")},
            "tags": pa.array(tags, TAGS.field("tags").type),
            "failure": pa.array(failures or [None] * count, pa.string()),
            "error": pa.array([""] * count, pa.string()),
        }
    )


def by_column(rows: Dataset, _tagger: Any, _seed: int, _ledger: Ledger) -> Dataset:
    """The tags that the sources brought along."""
    return rows.map_batches(lambda block: tag_table(block, block["tags"].to_pylist()), **WHOLE)


def by_rules(rows: Dataset, _tagger: Any, _seed: int, _ledger: Ledger) -> Dataset:
    """Tags by keyword rules."""
    return rows.map_batches(lambda block: tag_table(block, [rule_tags(q) for q in block["query"].to_pylist()]), **WHOLE)


def by_clusters(rows: Dataset, tagger: ClustersTagger, seed: int, _ledger: Ledger) -> Dataset:
    """One tag per query, its k-means cluster.

    Centres are fitted on queries drawn by hash and in the order of their ids, so that they follow from the queries;
    not on those that are held out for evaluation.

    Raises:
        StageError: if all are held out.
    """
    source = absolute_source(tagger.embedder)
    embedded = rows.map_batches(
        EmbedBlock, fn_constructor_args=(source, tagger.max_length), **in_actors(tagger.resources, EMBEDDED_TOGETHER)
    ).materialize()
    share = min(1.0, tagger.fitted_on / max(1, embedded.count()))
    drawn = embedded.map_batches(_draw, fn_args=(share, seed), **WHOLE).materialize()
    if not drawn.count():
        raise StageError("every query is held out for evaluation, so there are none to find clusters in")
    centres = in_cluster(_fit, tagger.clusters, seed, *drawn.to_arrow_refs())
    return embedded.map_batches(_assign, fn_args=(centres,), **WHOLE)


class EmbedBlock:
    """Actor: adds `embedding` to a block."""

    def __init__(self, source: str, max_length: int) -> None:
        from zooter_ray.embedding import Embedder  # torch takes seconds to import, and other tasks need none

        self.embed = Embedder(source, max_length)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Embed the block's queries."""
        embeddings_QD = self.embed(rows["query"].to_pylist())
        values = pa.array(embeddings_QD.ravel())
        return rows.append_column("embedding", pa.FixedSizeListArray.from_arrays(values, embeddings_QD.shape[1]))


def _draw(rows: pa.Table, share: float, seed: int) -> pa.Table:
    rows = rows.filter(pc.not_equal(rows["split"], "eval")).select(["query_id", "embedding"])
    ids = rows["query_id"].to_pylist()
    return rows.filter(pa.array([hash_fraction(seed, "cluster", query_id) < share for query_id in ids], pa.bool_()))


def _fit(clusters: int, seed: int, *drawn: pa.Table) -> np.ndarray:
    """Centres (T, D)."""
    rows = pa.concat_tables([table for table in drawn if table.num_rows]).sort_by("query_id")
    return cluster_centres(_matrix(rows), clusters, seed)


def _assign(rows: pa.Table, centres: Any) -> pa.Table:
    return tag_table(rows, [[tag] for tag in cluster_tags(_matrix(rows), ray.get(centres))])


def _matrix(rows: pa.Table) -> np.ndarray:
    column = rows["embedding"].combine_chunks()
    values: np.ndarray = column.flatten().to_numpy()
    return values.reshape(rows.num_rows, -1)


def by_instagger(rows: Dataset, tagger: InsTagger, _seed: int, ledger: Ledger) -> Dataset:
    """Tags by an LLM, through the engines of the generation stage."""
    expert = ExpertConfig(
        id=TAGGER, engine=tagger.engine, chat_template=tagger.chat_template, decoding=tagger.decoding,
        long_queries="truncate",
    )  # fmt: skip
    asked = rows.repartition(target_num_rows_per_block=tagger.block_rows).map_batches(_ask, **WHOLE)
    replies = ENGINES[tagger.engine.kind](asked, tagger.engine, [expert], ledger)
    return replies.map_batches(_read_replies, **WHOLE)


def _ask(rows: pa.Table) -> pa.Table:
    asked = pa.array([instag_prompt(query) for query in rows["query"].to_pylist()], pa.string())
    return rows.set_column(rows.schema.get_field_index("query"), "query", asked)


def _read_replies(rows: pa.Table) -> pa.Table:
    """Tags out of replies; a query whose reply cannot be read, or never came, stays without tags, with the reason."""
    tags: list[list[str]] = []
    failures: list[str | None] = []
    for reply, error in zip(rows["response"].to_pylist(), rows["error"].to_pylist(), strict=True):
        found = None if error else parse_tags(reply)
        tags.append(found or [])
        failures.append(error or (None if found else "no tag in the reply"))
    return tag_table(rows, tags, failures)


TAGGERS: dict[str, Callable[[Dataset, Any, int, Ledger], Dataset]] = {
    "column": by_column,
    "rules": by_rules,
    "clusters": by_clusters,
    "instagger": by_instagger,
}
