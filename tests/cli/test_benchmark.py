"""`zooter benchmark`: what it resolves, and one sentence for bad input."""

from pathlib import Path

import pytest
import yaml

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
