"""The job of the benchmarks: the outcomes file's path, or one sentence."""

import json
import sys
from pathlib import Path

import pytest

from jobs.benchmarks import main
from tests.evaluation.benchmarks.published import lines
from zooter_ray.outcomes import read_outcomes


def test_the_job_says_where_the_outcomes_are_or_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = lines(tmp_path / "queries.jsonl", [{"query_id": "q", "query": "Name a river.", "subset": "koala"}])
    wins = {"a": 1.0, "b": 0.5}
    experts = {
        expert: lines(tmp_path / f"{expert}.jsonl", [{"query_id": "q", "response": "The Ahr.", "win": win}])
        for expert, win in wins.items()
    }
    config = tmp_path / "config.yaml"
    benchmarks = [{"kind": "annotations", "path": queries, "experts": experts}]
    config.write_text(json.dumps({"run_dir": str(tmp_path / "run"), "benchmarks": benchmarks}))
    monkeypatch.setattr(sys, "argv", ["benchmarks.py", "--config", str(config)])
    assert main() == 0
    printed = capsys.readouterr().out
    assert read_outcomes(printed.split("outcomes  ")[1].strip()).rewards_QM.tolist() == [[1.0, 0.5]]

    monkeypatch.setattr(sys, "argv", [*sys.argv, "--set", "benchmarks.0.path=/no/such"])
    assert main() == 2
    assert capsys.readouterr().err == "error: /no/such does not exist\n"
