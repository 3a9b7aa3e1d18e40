"""The queries stage from ten thousand to a million queries: time per query, decontamination alone, driver memory.

python benchmarks/queries.py [--rows 10000 100000 1000000]

Every size runs in a process of its own, on synthetic queries of 30 words of which some share an n-gram with one of
20,000 benchmark samples, some are exact and some near-duplicates.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from rich.console import Console

from zooter_ray.artifacts import read_manifest
from zooter_ray.cluster import connected
from zooter_ray.config.queries import QueriesConfig
from zooter_ray.config.run import RayConfig
from zooter_ray.queries.decontamination import contamination, index_benchmarks
from zooter_ray.stages import queries

WORDS = [f"word{number}" for number in range(20_000)]
SAMPLES, WORDS_PER_QUERY, TAGS = 20_000, 30, 500


def sample(number: int) -> str:
    return " ".join(Random(f"sample {number}").choices(WORDS, k=60))


def query(number: int) -> str:
    """One in 100 is contaminated, one in 50 a copy of its neighbour, one in 50 nearly one."""
    random = Random(f"query {number - number % 50 + 1 if number % 50 in (2, 3) else number}")
    words = random.choices(WORDS, k=WORDS_PER_QUERY)
    if number % 100 == 7:
        words[10:16] = sample(number % SAMPLES).split()[20:26]
    if number % 50 == 3:
        words[-1] = "different"
    return " ".join(words)


def write(path: Path, texts: Iterator[str]) -> str:
    with path.open("w") as file:
        for number, text in enumerate(texts):
            row = {"query_id": f"q{number:08}", "query": text, "labels": [f"tag {number % TAGS}"]}
            file.write(json.dumps(row) + "\n")
    return str(path)


def measure(rows: int) -> dict[str, float]:
    """Seconds and megabytes of one size."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        settings = {
            "sources": [
                {"kind": "file", "name": "s", "path": write(directory / "q.jsonl", map(query, range(rows))),
                 "tags_column": "labels"}
            ],
            "tagger": {"kind": "column"},
            "decontamination": {"benchmarks": [
                {"kind": "file", "name": "b", "path": write(directory / "b.jsonl", map(sample, range(SAMPLES)))}
            ]},
            "per_tag": 10,
        }  # fmt: skip
        index = index_benchmarks(((str(number), sample(number)) for number in range(SAMPLES)), 6)
        texts = [query(number) for number in range(0, rows, max(1, rows // 10_000))]
        started = time.perf_counter()
        found = sum(contamination(text, index) is not None for text in texts)
        alone = (time.perf_counter() - started) / len(texts)
        with connected(RayConfig(num_cpus=8)):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            started = time.perf_counter()
            unit = queries.run(QueriesConfig.model_validate(settings), str(directory / "run"), Console(stderr=True))
            seconds = time.perf_counter() - started
        manifest = read_manifest(unit)
    return {
        "rows": rows, "seconds": seconds, "us_per_query": 1e6 * seconds / rows, "decontamination_us": 1e6 * alone,
        "contaminated_of_sample": found, "driver_mb_before": before,
        "driver_mb_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "drawn": manifest["rows_out"],
        **manifest["dropped"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.rows[0])))
        return
    for rows in arguments.rows:
        command = [sys.executable, __file__, "--child", "--rows", str(rows)]
        found = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
        )
        print(
            ", ".join(
                f"{name} {value:,.1f}" if isinstance(value, float) else f"{name} {value:,}"
                for name, value in found.items()
            )
        )


if __name__ == "__main__":
    main()
