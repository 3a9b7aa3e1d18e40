"""What it costs that generation can be resumed: the stage's run against the same engine's dataset consumed bare.

python benchmarks/resume.py [--blocks 24] [--replicas 4] [--rounds 3]

The stage reads done keys, keeps a ledger, commits every block, looks for duplicates, counts and writes manifests. The
bare side crosses queries with experts, generates, and writes one file at the end. Experts are simulated, at realistic
token times; the sides take turns in one process, and the smallest time of each counts, as the least disturbed one.
Then each part by itself: what a block costs, and what a run of so many rows costs once.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from simulated import BLOCK_ROWS, ENGINE, seconds_per_block, settings, write_queries

from zooter_ray.artifacts import Unit, commit, make_unit
from zooter_ray.cluster import connected
from zooter_ray.config.generation import GenerationConfig
from zooter_ray.config.run import RayConfig
from zooter_ray.experts import engine_groups
from zooter_ray.progress import new_console
from zooter_ray.schemas import QUERIES, RESPONSES
from zooter_ray.stages import generation
from zooter_ray.stages.blocks import KEYS, WHOLE, close, done_keys, rows_of
from zooter_ray.stages.engines import ENGINES
from zooter_ray.stages.engines.ledger import Ledger, block_key, new_ledger


class NoLedger(Ledger):
    """Remembers nothing."""

    def take(self, key: str) -> int:  # noqa: ARG002
        return 0

    def strike(self, key: str) -> None:
        pass


def resumable(config: GenerationConfig, queries: Unit, run_dir: str) -> int:
    units = generation.run(config, queries, run_dir, new_console(io.StringIO()))
    return sum(pq.read_metadata(part).num_rows for u in units.values() for part in Path(u.path).glob("part-*"))


def bare(config: GenerationConfig, queries: Unit, run_dir: str) -> int:
    ((engine, experts),) = engine_groups(config)
    samples = [(expert.id, sample) for expert in experts for sample in range(expert.n)]
    rows = (
        rows_of([queries], QUERIES, generation.QUERY_COLUMNS)
        .map_batches(generation.expand, fn_args=(samples,), **WHOLE)
        .repartition(target_num_rows_per_block=config.block_rows)
    )
    dataset = ENGINES[engine.kind](rows, engine, experts, NoLedger(run_dir, 1))
    blocks = list(dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
    pq.write_table(pa.concat_tables(blocks), f"{run_dir}/responses.parquet")
    return pq.read_metadata(f"{run_dir}/responses.parquet").num_rows


def cost_of_parts(rows: int) -> dict[str, float]:
    """Milliseconds of each part by itself, on as many committed rows."""
    took: dict[str, float] = {}

    @contextmanager
    def timed(name: str, times: int = 1) -> Iterator[None]:
        started = time.perf_counter()
        yield
        took[name] = 1000 * (time.perf_counter() - started) / times

    with tempfile.TemporaryDirectory() as run_dir:
        unit = make_unit(run_dir, generation.STAGE, "one", {})
        blocks = [block_of(start) for start in range(0, rows, BLOCK_ROWS)]
        with timed("commit of a block", len(blocks)):
            for block in blocks:
                commit(unit.path, block, KEYS)
        ledger = new_ledger([unit], 2)
        keys = [block_key(block.to_pylist()) for block in blocks]
        with timed("ledger of a block", len(keys)):
            for key in keys:
                ledger.take(key)
                ledger.strike(key)
        with timed("done keys"):
            done_keys({"one": unit}, RESPONSES)
        with timed("close"):
            close(unit, RESPONSES, rows)
    return took


def block_of(start: int) -> pa.Table:
    """A block of responses of 64 words."""
    return pa.Table.from_pylist(
        [
            {"query_id": f"q{i:07}", "expert": "one", "sample": 0, "query": "What?", "reference": None,
             "response": f"word{i} " * 64, "finish_reason": "stop", "prompt_tokens": 8, "generated_tokens": 64,
             "seconds": 1.36}
            for i in range(start, start + BLOCK_ROWS)
        ],
        RESPONSES,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=24, help="per replica")
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = arguments.replicas * arguments.blocks * BLOCK_ROWS
    config = settings(ENGINE, arguments.replicas, num_cpus=0.25)
    seconds: dict[str, list[float]] = {"bare": [], "resumable": []}
    with connected(RayConfig(num_cpus=8)):
        ray.data.DataContext.get_current().wait_for_min_actors_s = 1200
        for number in range(arguments.rounds):
            for side in (bare, resumable):
                with tempfile.TemporaryDirectory() as run_dir:
                    queries = write_queries(run_dir, rows // 2)
                    started = time.perf_counter()
                    found = side(config, queries, run_dir)
                    seconds[side.__name__].append(time.perf_counter() - started)
                    assert found == rows, f"{side.__name__}: {found} of {rows} rows"
            took = ", ".join(f"{side} {times[-1]:.1f} s" for side, times in seconds.items())
            print(f"round {number}: {took}", flush=True)
        parts = cost_of_parts(rows)
    ideal = arguments.blocks * seconds_per_block(ENGINE)
    best, middle = ({side: pick(times) for side, times in seconds.items()} for pick in (min, statistics.median))
    extra = best["resumable"] - best["bare"]
    print(
        f"{rows} rows, {ideal:.0f} s of simulated tokens per replica: resuming costs {extra:.2f} s, "
        f"{extra / best['bare']:.2%} of the bare run ({middle['resumable'] / middle['bare'] - 1:.2%} by medians)"
    )
    print("alone: " + ", ".join(f"{name} {took:.1f} ms" for name, took in parts.items()))


if __name__ == "__main__":
    main()
