"""What is read of a finished run; whole ones are read in tests of the pipeline."""

from pathlib import Path

import pyarrow as pa

from zooter_ray.artifacts import commit
from zooter_ray.planning.measured import measured_tokens
from zooter_ray.schemas import RESPONSES


def responses(directory: Path, tokens: list[tuple[int, int] | None]) -> str:
    rows = [
        {"query_id": f"q{number}", "expert": "m", "sample": 0, "query": "?", "response": "!", "finish_reason": "stop",
         "prompt_tokens": took and took[0], "generated_tokens": took and took[1], "seconds": 0.1}
        for number, took in enumerate(tokens)
    ]  # fmt: skip
    commit(str(directory), pa.Table.from_pylist(rows, RESPONSES), ["query_id", "sample"])
    return str(directory)


def test_tokens_are_means_of_those_that_are_told(tmp_path: Path) -> None:
    units = {
        "told": responses(tmp_path / "told", [(10, 2), (20, 4)]),
        "silent": responses(tmp_path / "silent", [None, None]),
        "half": responses(tmp_path / "half", [None, (6, 1)]),
    }
    assert dict(measured_tokens(units)) == {"told": (15.0, 3.0), "half": (6.0, 1.0)}
