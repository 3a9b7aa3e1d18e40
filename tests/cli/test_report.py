"""`zooter report`: which reports it finds, what it knows of sizes, and one sentence for every kind of bad input."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.test_paper_tables import BEST, GPT, report_of
from zooter_ray.cli.main import main
from zooter_ray.cli.report import report_of as path_of_report
from zooter_ray.cli.report import sizes_of
from zooter_ray.errors import DataError
from zooter_ray.evaluation.paper_tables import PaperTables
from zooter_ray.evaluation.schema import SCHEMA_VERSION, Report

PAPER = Path(__file__).parents[2] / "jobs/configs/paper.yaml"


def saved(directory: Path, report: Report = BEST) -> str:
    """A directory as `zooter evaluate` writes it."""
    directory.mkdir(parents=True)
    (directory / "report.json").write_text(report.model_dump_json())
    return str(directory)


def saved_run(directory: Path) -> str:
    """A run directory as far as `zooter report` reads it."""
    unit = directory / "06_evaluation/report/0123"
    saved(unit)
    (directory / "run.json").write_text(json.dumps({"evaluation": str(unit)}))
    shutil.copy(PAPER, directory / "config.yaml")
    return str(directory)


def test_tables_are_written_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [saved(tmp_path / "best"), saved(tmp_path / "hard", report_of([1, 0, 1, 0], loss="hard_label"))]
    (tmp_path / "hosted.yaml").write_text(json.dumps({"GPT-4": GPT}))
    output = tmp_path / "tables"
    arguments = ["report", "--runs", *runs, "--reference", str(tmp_path / "hosted.yaml"), "--output", str(output)]
    arguments += ["--parameters", "llama=13e9", "--parameters", "vicuna=13e9", "--parameters", "ultrarm=7e9"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert all(text in printed for text in ("Table 1", "GPT-4", "2x13B", "7B", "Table 2", "hard labels", "tables.md"))
    written = {path.name for path in output.iterdir()}
    assert written == {
        "tables.md", "tables.json", "table1.csv", "table2.csv", "table1.tex", "table2.tex", "figure3.png", "figure3.csv"
    }  # fmt: skip
    found = PaperTables.model_validate_json((output / "tables.json").read_text())
    assert (found.rank_against, found.include_overall) == ("experts", False)


def test_ranks_are_read_either_way(tmp_path: Path) -> None:
    run, output = saved(tmp_path / "run"), tmp_path / "tables"
    assert main(["report", "--runs", run, "--output", str(output), "--rank-against", "all", "--include-overall"]) == 0
    found = json.loads((output / "tables.json").read_text())
    assert (found["rank_against"], found["include_overall"]) == ("all", True)


def test_a_report_may_be_named_by_its_file(tmp_path: Path) -> None:
    path = f"{saved(tmp_path / 'run')}/report.json"
    assert path_of_report(path) == path


def test_a_run_directory_is_followed_to_its_report_even_if_it_was_moved(tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run")
    moved = shutil.move(run, tmp_path / "moved")
    assert path_of_report(str(moved)) == f"{moved}/06_evaluation/report/0123/report.json"


def test_sizes_are_known_of_the_models_in_a_runs_config(tmp_path: Path) -> None:
    found = sizes_of([saved_run(tmp_path / "run"), saved(tmp_path / "evaluated")])
    assert {name: f"{size / 1e9:.0f}B" for name, size in found.items()} == {
        **{f"{name}-13b": "13B" for name in ("wizardcoder", "wizardlm", "wizardmath", "llama-2-chat", "openchat")},
        **{"vicuna-13b": "13B", "ultrarm": "13B"},
    }


def test_a_config_that_no_longer_holds_knows_no_sizes(tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run")
    (tmp_path / "run/config.yaml").write_text("generation: {expert: []}\n")
    assert sizes_of([run]) == {}


def test_a_run_without_an_evaluation_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"training": "x"}))
    with pytest.raises(DataError, match=f"the run in {tmp_path} has not come to its evaluation"):
        path_of_report(str(tmp_path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"runs": ["nowhere"]}, "nowhere holds neither a report.json nor a run"),
        ({"runs": ["best", "other"]}, "best and other cannot be compared: they were evaluated on different rows"),
        ({"runs": ["best", "other", "./best/"]}, "--runs names one report twice: best and ./best/"),
        ({"runs": ["best", "best"]}, "--runs names one report twice: best and best"),
        ({"runs": ["lost"]}, "the run in lost has lost its lost/06_evaluation/report/0123/report.json; run it again"),
        ({"runs": ["cut"]}, "cut/report.json is damaged; evaluate again"),
        ({"runs": ["odd"]}, "odd/report.json is damaged; evaluate again"),
        ({"runs": ["old"]}, "old/report.json is no report of this version; evaluate again"),
        ({"reference": {"GPT": {"flask/law": 1.0}}}, "reference 'GPT' has no value for source 'flask/arts'"),
        ({"reference": {"GPT": {"flask/law": "good"}}}, "GPT.flask/law: a name must map to {source: number}"),
        ({"reference": {"GPT": {"flask/law": float("nan")}}}, "GPT.flask/law: a name must map to {source: number}"),
        ({"reference": {"GPT": 3}}, "GPT: a name must map to {source: number}"),
        (
            {"parameters": "wizard=13e9"},
            "--parameters names 'wizard'; the experts and reward models are llama, ultrarm",
        ),
    ],
)
def test_bad_input_ends_in_one_sentence(
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "best")
    saved(tmp_path / "other", BEST.model_copy(update={"rows_fingerprint": "another"}))
    saved(tmp_path / "old", BEST.model_copy(update={"schema_version": 4}))
    Path(saved_run(tmp_path / "lost"), "06_evaluation/report/0123/report.json").unlink()
    for name, content in {
        "cut": BEST.model_dump_json()[:999],
        "odd": json.dumps({"schema_version": SCHEMA_VERSION}),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(content)
    Path("hosted.json").write_text(json.dumps(changed.get("reference", {})).replace("NaN", ".nan"))
    arguments = ["report", "--runs", *changed.get("runs", ["best"]), "--output", "tables", "--reference", "hosted.json"]
    assert main([*arguments, "--parameters", changed.get("parameters", "llama=13e9")]) == 2
    (sentence,) = capfd.readouterr().err.splitlines()
    assert message in sentence
    assert not Path("tables").exists()


@pytest.mark.parametrize("size", ["llama=many", "llama=-1", "llama"])
def test_a_size_must_be_a_number(capsys: pytest.CaptureFixture[str], size: str) -> None:
    with pytest.raises(SystemExit):
        main(["report", "--runs", "x", "--output", "y", "--parameters", size])
    assert "--parameters" in capsys.readouterr().err
