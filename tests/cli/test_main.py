"""The command line: what it prints, its exit codes, and one clear sentence for every kind of bad input."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import zooter_ray
from tests.tiny_models import save_bert, save_router
from zooter_ray.cli.main import main

ROOT = Path(__file__).parents[2]
DEMO = str(ROOT / "jobs/configs/demo.yaml")


def outcome(query_id: str, **changed: Any) -> dict[str, Any]:
    return {"query_id": query_id, "query": "What is 2 + 2?", "rewards": {"a": 1.0, "b": 0.0}} | changed


def write_lines(path: Path, rows: list[Any]) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def test_a_dry_run_prints_the_resolved_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", DEMO, "--set", "labeling.beta=0.7", "--dry-run"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["labeling"]["beta"] == 0.7
    assert printed["evaluation"]["confidence"] == 0.95


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in ("demo", "run", "distill", "route", "evaluate", "serve"))


def refused(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one sentence on stderr of a command that exits with 2."""
    assert main(arguments) == 2
    printed = capfd.readouterr().err
    assert "Traceback" not in printed
    (sentence,) = [line for line in printed.splitlines() if line.startswith("zooter ")]
    return sentence


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("labeling.betta=1", "unknown key 'labeling.betta'; did you mean 'beta'?"),
        ("generation.experts.0.id=a:b", "a colon would be taken for a LoRA adapter"),
        ("labeling.beta", "must look like section.key=value"),
        ("generation.experts.0.engine.source=/no/such/model", "model path /no/such/model does not exist"),
        ("run_dir=/proc/no/such", "cannot write /proc/no/such"),
        ("queries.sources.0={kind: file, name: x, path: /no/such.jsonl}", "/no/such.jsonl does not exist"),
    ],
)
def test_bad_settings_end_in_one_sentence(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, override: str, message: str, ray_session: None
) -> None:
    arguments = ["run", "--config", DEMO, "--set", f"run_dir={tmp_path / 'run'}", "--set", "queries.limit=10"]
    assert message in refused(capfd, [*arguments, "--set", override])


def test_a_missing_config_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert "config file nowhere.yaml does not exist" in refused(capfd, ["run", "--config", "nowhere.yaml"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([outcome("x"), '{"query_id": '], "outcomes.jsonl:2: malformed JSON"),
        ([outcome("x"), outcome("x")], "outcomes.jsonl:2: query_id 'x' is also in"),
        ([outcome("x"), outcome("y", rewards={"a": 1.0, "c": 0.0})], "unknown expert 'c'"),
        ([outcome("x"), outcome("y", rewards={"a": 1.0})], "the reward of expert 'b' is missing"),
        (['{"query_id": "x", "query": "q", "rewards": {"a": NaN, "b": 1}}'], "'a' is nan, not a finite number"),
    ],
)
def test_bad_outcomes_end_in_one_sentence_and_leave_nothing(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, rows: list[Any], message: str
) -> None:
    path = write_lines(tmp_path / "outcomes.jsonl", rows)
    assert message in refused(capfd, ["distill", "--rewards", path, "--output", str(tmp_path / "router")])
    assert [found.name for found in tmp_path.iterdir()] == ["outcomes.jsonl"]


def test_missing_outcomes_are_named(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["distill", "--rewards", "gone.jsonl", "--output", str(tmp_path / "router")]
    assert "gone.jsonl does not exist" in refused(capfd, arguments)


def test_an_output_in_the_way_is_not_overwritten(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_lines(tmp_path / "outcomes.jsonl", [outcome("x")])
    kept = tmp_path / "router" / "thesis.tex"
    kept.parent.mkdir()
    kept.touch()
    assert "exists already" in refused(capfd, ["distill", "--rewards", path, "--output", str(kept.parent)])
    assert kept.exists()


def test_a_router_of_another_pool_is_refused(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    router = save_router(tmp_path / "router", ["x", "y"])
    path = write_lines(tmp_path / "outcomes.jsonl", [outcome("q")])
    arguments = ["evaluate", "--router", str(router), "--outcomes", path, "--output", str(tmp_path / "report")]
    assert "routes to x, y, but" in refused(capfd, arguments)
    assert not (tmp_path / "report").exists()


def test_what_is_no_router_directory_is_refused(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write_lines(tmp_path / "queries.jsonl", [{"query": "hello"}])
    arguments = ["route", "--router", str(tmp_path), "--queries", path, "--output", str(tmp_path / "out.jsonl")]
    assert "is no router directory" in refused(capfd, arguments)


def test_a_mount_point_is_refused_before_anything_is_trained(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    outcomes = write_lines(tmp_path / "o.jsonl", [outcome("q")])
    assert "/proc is a mount point" in refused(capfd, ["distill", "--rewards", outcomes, "--output", "/proc"])


def test_an_output_that_is_no_local_file_is_refused(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    router = save_router(tmp_path / "router", ["x", "y"])
    path = write_lines(tmp_path / "queries.jsonl", [{"query": "hello"}])
    arguments = ["route", "--router", str(router), "--queries", path, "--output", "s3://bucket/out.jsonl"]
    assert "s3://bucket/out.jsonl: the output must be a local file" in refused(capfd, arguments)


def test_another_router_of_another_pool_is_refused_before_anything_is_spent(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = save_router(tmp_path / "router", ["x", "y"])
    settings = [f"run_dir={tmp_path / 'run'}", f"evaluation.other_routers=[{other}]"]
    arguments = ["run", "--config", DEMO, *(part for setting in settings for part in ("--set", setting))]
    assert "routes to x, y, but the run has the experts" in refused(capfd, arguments)


def test_rows_that_were_trained_on_are_counted_in_the_report(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    router = save_router(tmp_path / "router", ["a", "b"], baselines={"overall": {"a": 1.0, "b": 0.0}, "per_source": {}})
    learned = write_lines(tmp_path / "train.jsonl", [outcome("t", query="seen"), outcome("u", query="other")])
    held_out = write_lines(tmp_path / "eval.jsonl", [outcome("e", query="seen"), outcome("f", query="unseen")])
    report = tmp_path / "report"
    arguments = ["evaluate", "--router", str(router), "--outcomes", held_out, "--train", learned, "--set", "draws=100"]
    assert main([*arguments, "--output", str(report)]) == 0
    assert "1 of the 2 queries are training queries as well" in capfd.readouterr().out
    assert json.loads((report / "report.json").read_text())["seen_rows"] == 1


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zooter_ray.cli.main", "run", "--config", "nowhere.yaml", "--debug"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" in result.stderr
    assert "ConfigError" in result.stderr


def test_a_full_disk_ends_in_one_sentence_and_nothing_half_written(tmp_path: Path) -> None:
    """A file size limit makes every larger write fail in the kernel, as a full disk does."""
    router = save_router(tmp_path / "router", ["x", "y"])
    queries = write_lines(tmp_path / "queries.jsonl", [{"query": f"query {number}"} for number in range(2000)])
    output = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "zooter_ray.cli.main", "route", "--router", str(router)]
    result = subprocess.run(
        [*command, "--queries", queries, "--output", str(output)],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert "cannot write" in result.stderr
    assert not list(tmp_path.glob("out*"))


def test_route_answers_every_row_in_order(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    router = save_router(tmp_path / "router", ["x", "y"])
    rows = [{"query_id": f"q{number}", "query": f"query {number}" * (number % 7 + 1)} for number in range(300)]
    queries = write_lines(tmp_path / "queries.jsonl", rows)
    for name in ("out.jsonl", "out.parquet"):
        output = tmp_path / name
        assert main(["route", "--router", str(router), "--queries", queries, "--output", str(output)]) == 0
    assert "300 queries routed" in capfd.readouterr().out
    routed = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["query_id"] for row in routed] == [row["query_id"] for row in rows]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1) for row in routed)
    assert all(max(row["probabilities"], key=row["probabilities"].get) == row["expert"] for row in routed)
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == routed


@pytest.mark.slow
def test_distill_then_evaluate_and_the_order_of_keys_and_rows_does_not_matter(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], ray_session: None
) -> None:
    backbone = save_bert(tmp_path / "backbone", 2)
    rows = [
        outcome(f"q{number:02}", query=f"sum {number}" if number % 2 else f"name {number}",
                rewards={"a": float(number % 2), "b": float(1 - number % 2)}, source="s",
                split="eval" if number % 5 == 0 else "train")
        for number in range(40)
    ]  # fmt: skip
    turned = [row | {"rewards": dict(reversed(row["rewards"].items()))} for row in reversed(rows)]
    settings = [f"training.backbone={backbone}", "training.epochs=2", "training.max_length=16", "training.seed=3"]
    overrides = [part for setting in settings for part in ("--set", setting)]
    routed = []
    for name, content in (("plain", rows), ("turned", turned)):
        outcomes = write_lines(tmp_path / f"{name}.jsonl", content)
        router = str(tmp_path / name)
        if name == "plain":
            assert zooter_ray.distil(outcomes, router, overrides=settings).experts == ["a", "b"]
            assert set(zooter_ray.route(router, ["sum 7", "name 8"])) <= {"a", "b"}
        else:
            assert main(["distill", "--rewards", outcomes, "--output", router, *overrides]) == 0
        output = tmp_path / f"{name}-routed.jsonl"
        assert main(["route", "--router", router, "--queries", outcomes, "--output", str(output)]) == 0
        routed.append({row["query_id"]: row for row in map(json.loads, output.read_text().splitlines())})
    assert routed[0] == routed[1]
    assert not list(tmp_path.glob("*.work"))

    report = tmp_path / "report"
    arguments = ["evaluate", "--router", router, "--outcomes", outcomes, "--train", outcomes]
    assert main([*arguments, "--output", str(report)]) == 0
    printed = capfd.readouterr().out
    assert "reward per source, on 8 held-out" in printed
    assert "training queries as well" not in printed
    assert json.loads((report / "report.json").read_text())["rows"] == 8, "the held-out rows alone"
    assert "| oracle |" in (report / "report.md").read_text()

    again = write_lines(tmp_path / "again.jsonl", [row | {"split": "eval"} for row in rows])
    arguments = ["evaluate", "--router", router, "--outcomes", again, "--output", str(tmp_path / "report of all")]
    assert main([*arguments, "--set", "draws=100"]) == 0
    assert "32 of the 40 queries are training queries as well" in capfd.readouterr().out, "the router knows them"
