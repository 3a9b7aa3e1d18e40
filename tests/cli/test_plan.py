"""`zooter plan`: what it prints and writes, and one clear sentence for every kind of bad input."""

import json
from pathlib import Path

import pytest

from zooter_ray.cli.main import main

CONFIGS = Path(__file__).parents[2] / "jobs/configs"
PAPER = ["plan", "--config", str(CONFIGS / "paper.yaml"), "--gpus", "8", "--gpu", "A100-80G"]


def test_the_papers_plan_fits_eighty_columns_and_stands_beside_the_papers_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = tmp_path / "plan.json"
    assert main([*PAPER, "--queries", "47986", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert "192 reported" in printed
    written = json.loads(output.read_text())
    assert written["total"]["gpu_hours"] == pytest.approx(sum(line["gpu_hours"] for line in written["lines"]))
    assert [item["stage"] for item in written["paper"]] == ["scoring", "training"]
    assert {line["bound"] for line in written["lines"]} <= {"compute", "memory bandwidth", "neither"}


def test_options_say_how_long_texts_are(tmp_path: Path) -> None:
    output = tmp_path / "plan.json"
    sizes = ["--queries", "100", "--query-tokens", "10", "--response-tokens", "20"]
    assert main([*PAPER, *sizes, "--output", str(output)]) == 0
    (scored,) = [line for line in json.loads(output.read_text())["lines"] if line["stage"] == "scoring"]
    assert scored["tokens_in"] == 6 * 100 * 30


def test_queries_of_sources_that_are_here_are_counted(tmp_path: Path) -> None:
    output = tmp_path / "plan.json"
    command = ["plan", "--config", str(CONFIGS / "demo.yaml"), "--gpus", "1", "--gpu", "cpu"]
    assert main([*command, "--output", str(output)]) == 0
    rows = {line["unit"]: line["rows"] for line in json.loads(output.read_text())["lines"]}
    assert (rows["clean"], rows["queries"], rows["smollm2"]) == (805, 640, 640)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpu", "A100"], "no GPU is called 'A100'; did you mean A100-"),
        (["--gpus", "0"], "--gpus must be 1 or more, not 0"),
        ([], "the number of queries is not known"),
        (["--set", "scoring.reward_models.0.source=a/b"], "nothing is known here of the model a/b; say how many"),
        (["--parameters", "a/b=many"], "--parameters 'a/b=many' must look like MODEL=13e9"),
        (["--measured", "nowhere"], "nowhere holds no finished run: run.json is missing"),
        (["--set", "queries.limmit=3"], "unknown key 'queries.limmit'; did you mean 'limit'?"),
        (["--gpu", "V100"], "do not fit into 1 x 16 GB (V100"),
    ],
)
def test_bad_input_ends_in_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    queries = ["--queries", "10"] if arguments else []
    assert main([*PAPER, *queries, *arguments]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert message in sentence


def test_a_run_that_stopped_early_calibrates_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"queries": "x", "generation": "y"}))
    (tmp_path / "config.yaml").write_text((CONFIGS / "demo.yaml").read_text())
    assert main([*PAPER, "--queries", "10", "--measured", str(tmp_path)]) == 2
    assert f"{tmp_path} holds no finished run: its last stage was generation" in capsys.readouterr().err
