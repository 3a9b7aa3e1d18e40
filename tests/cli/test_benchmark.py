"""`zooter benchmark`: what it resolves, and one sentence for bad input."""

from pathlib import Path

import pytest
import yaml

from tests.evaluation.benchmarks.published import lines
from tests.tiny_models import save_router
from zooter_ray.cli.main import main

CONFIG = str(Path(__file__).parents[2] / "jobs/configs/benchmarks.yaml")


def test_a_dry_run_prints_the_config_with_the_experts_of_the_run_that_it_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["benchmark", "--config", CONFIG, "--set", "benchmarks.4.limit=7", "--dry-run"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["benchmarks"][4]["limit"] == 7
    assert [expert["id"] for expert in printed["generation"]["experts"]][3] == "llama-2-chat-13b"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["benchmarks.0.pth=x"], "unknown key 'benchmarks.0.pth'; did you mean 'path'?"),
        (["judge=null"], "alpaca_eval needs a section `judge`"),
        (["generation.experts.3.engine.token_env=null"], "needs an API key in the environment variable NO_SUCH_KEY"),
        (
            ["benchmarks=[{kind: annotations, path: /no/such.json, experts: {a: a, b: b}}]", "generation=null"],
            "/no/such.json does not exist",
        ),
    ],
)
def test_bad_input_ends_in_one_sentence(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, overrides: list[str], message: str
) -> None:
    settings = [f"run_dir={tmp_path}", "judge.engine.api_key_env=NO_SUCH_KEY", *overrides]
    arguments = ["benchmark", "--config", CONFIG, *(part for setting in settings for part in ("--set", setting))]
    assert main(arguments) == 2
    printed = capfd.readouterr().err
    assert "Traceback" not in printed
    assert message in printed


@pytest.mark.parametrize(("rewards", "ranked"), [({"a": 1.0, "b": 0.0}, False), ({"a": 0.3, "b": 0.4}, True)])
def test_the_report_ranks_by_rewards_only_where_they_are_not_the_grades(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], rewards: dict[str, float], ranked: bool
) -> None:
    row = {"query": "Name a river.", "source": "alpaca_eval/koala", "metrics": {"a": 1.0, "b": 0.0}, "rewards": rewards}
    outcomes = lines(tmp_path / "outcomes.jsonl", [{"query_id": f"q{n}", "split": "eval", **row} for n in range(4)])
    router = str(save_router(tmp_path / "router", ["a", "b"]))
    arguments = ["evaluate", "--router", router, "--outcomes", outcomes, "--set", "draws=100"]
    assert main([*arguments, "--output", str(tmp_path / "report")]) == 0
    assert ("reward ranking" in capfd.readouterr().out) == ranked
