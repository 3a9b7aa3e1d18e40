"""What the benchmarks with simulated experts share: queries, settings, and when which block was committed."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from zooter_ray.artifacts import Unit, commit, make_unit, parts, write_manifest
from zooter_ray.config.generation import GenerationConfig
from zooter_ray.schemas import QUERIES

# A 13B expert's times on one GPU: 16 responses of 64 tokens side by side take 1.36 s.
ENGINE = {"kind": "dummy", "first_token_s": 0.1, "per_token_s": 0.02, "tokens": 64, "concurrency": 16}
BLOCK_ROWS = 64
ROWS_PER_PART = 4096


def seconds_per_block(engine: dict[str, Any]) -> float:
    """Seconds that a replica takes for a block, if nothing but the simulated expert took any."""
    per_row: float = engine["first_token_s"] + (engine["tokens"] - 1) * engine["per_token_s"]
    return per_row * -(-BLOCK_ROWS // engine["concurrency"])


def settings(engine: dict[str, Any], workers: int | tuple[int, int], **per_replica: Any) -> GenerationConfig:
    """Two experts that share one pool of replicas, each of which takes so many `num_cpus` and the like."""
    resources = {**per_replica, "workers": workers}
    experts = [
        {"id": "one", "engine": {**engine, "resources": resources}},
        {"id": "two", "same_weights_as": "one"},
    ]
    return GenerationConfig.model_validate({"experts": experts, "block_rows": BLOCK_ROWS})


def write_queries(run_dir: str, count: int) -> Unit:
    """The complete unit of so many queries; each expert answers each of them."""
    unit = make_unit(run_dir, "01_queries", "queries", {"count": count})
    for start in range(0, count, ROWS_PER_PART):
        rows = [
            {"query_id": f"q{i:07}", "query": f"What is {i} plus {i}?", "source": "sums", "tags": [], "split": "train"}
            for i in range(start, min(start + ROWS_PER_PART, count))
        ]
        commit(unit.path, pa.Table.from_pylist(rows, QUERIES), ["query_id"])
    write_manifest(unit, count, count, {})
    return unit


def commit_times(units: dict[str, Unit]) -> list[float]:
    """When each block was committed, in seconds since the epoch, sorted."""
    return sorted(Path(part).stat().st_mtime for unit in units.values() for part in parts(unit.path))
