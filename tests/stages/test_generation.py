from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, parts, read_manifest, read_table
from zooter_ray.config import RunConfig
from zooter_ray.errors import StageError
from zooter_ray.schemas import REJECTED, RESPONSES
from zooter_ray.stages import generation, queries

pytestmark = pytest.mark.usefixtures("ray_session")


def generate(settings: dict[str, Any], console: Console) -> dict[str, Unit]:
    config = RunConfig.model_validate(settings)
    return generation.run(
        config.generation, queries.run(config.queries, config.run_dir, console), config.run_dir, console
    )


def test_every_query_meets_every_expert_exactly_once(settings: dict[str, Any], console: Console) -> None:
    settings["generation"]["experts"].append({"id": "brief-adder", "same_weights_as": "adder"})
    units = generate(settings, console)
    assert list(units) == ["adder", "namer", "brief-adder"]
    for expert, unit in units.items():
        rows = read_table(unit.path, RESPONSES).to_pylist()
        assert len(rows) == len({row["query_id"] for row in rows}) == 36
        assert {row["expert"] for row in rows} == {expert}
        assert len(parts(unit.path)) >= 36 / 8
        assert read_manifest(unit)["dropped"] == {}
    right = {row["query_id"]: row["response"] for row in read_table(units["adder"].path, RESPONSES).to_pylist()}
    assert right["sums/004"] == "8"
    assert right["names/004"] == "adder does not know."
    assert "adder, brief-adder (same weights as adder)" in console.file.getvalue()  # type: ignore[attr-defined]


def test_failures_become_rejected_rows_and_an_expert_that_never_answers_stays_open(
    settings: dict[str, Any], console: Console
) -> None:
    adder, namer = settings["generation"]["experts"]
    adder["engine"]["failure_rate"], namer["engine"]["failure_rate"] = 0.3, 1.0
    with pytest.raises(StageError, match="namer: all 36 rows were rejected; the first reason: simulated failure"):
        generate(settings, console)
    config = RunConfig.model_validate(settings)
    units = generation.units(config.generation, queries.unit(config.queries, config.run_dir), config.run_dir)
    good, bad = read_table(units["adder"].path, RESPONSES), read_table(units["adder"].rejected, REJECTED)
    assert 0 < bad.num_rows < 36
    assert good.num_rows + bad.num_rows == 36
    assert not set(good["query_id"].to_pylist()) & set(bad["query_id"].to_pylist())
    assert read_manifest(units["adder"])["dropped"] == {"simulated failure": bad.num_rows}
    assert not is_complete(units["namer"])
    asked = queries.unit(config.queries, config.run_dir)
    remainder = generation.run(config.generation, asked, config.run_dir, console, may_be_empty=True)["namer"]
    assert read_manifest(remainder)["dropped"] == {"simulated failure": 36}


def test_a_new_expert_generates_its_own_rows_and_no_others(
    settings: dict[str, Any], console: Console, tmp_path: Path
) -> None:
    log = tmp_path / "requests.log"
    for expert in settings["generation"]["experts"]:
        expert["engine"]["request_log"] = str(log)
    before = generate(settings, console)
    settings["generation"]["experts"].insert(0, {"id": "third", "engine": {"kind": "dummy", "request_log": str(log)}})
    after = generate(settings, console)
    assert {expert: after[expert] for expert in before} == before
    asked = [line.split()[0] for line in log.read_text().splitlines()]
    assert {expert: asked.count(expert) for expert in after} == {"third": 36, "adder": 36, "namer": 36}
    settings["generation"]["experts"].pop(1)
    generate(settings, console)
    assert len(log.read_text().splitlines()) == len(asked)


def test_other_decoding_gets_a_fresh_directory_and_more_workers_does_not(
    settings: dict[str, Any], console: Console
) -> None:
    before = generate(settings, console)
    settings["generation"]["experts"][0]["engine"]["resources"] = {"num_cpus": 0.5, "workers": 2}
    settings["generation"]["experts"][1]["decoding"] = {"max_tokens": 3}
    after = generate(settings, console)
    assert after["adder"] == before["adder"]
    assert after["namer"].path != before["namer"].path
    assert read_table(after["namer"].path, RESPONSES)["generated_tokens"].to_pylist() == [3] * 36
    assert is_complete(before["namer"])


def test_engines_side_by_side_answer_what_they_answer_one_by_one_and_at_the_same_time(
    settings: dict[str, Any], console: Console
) -> None:
    for expert in settings["generation"]["experts"]:
        expert["engine"] |= {"first_token_s": 0.4, "concurrency": 4}
    side_by_side = {**settings, "run_dir": settings["run_dir"] + "-2"}
    side_by_side["generation"] = {**settings["generation"], "side_by_side": True}
    one_by_one = generate(settings, console)
    found = generate(side_by_side, console)
    for expert in found:
        columns = ["query_id", "sample", "response"]
        rows = [
            read_table(unit.path, RESPONSES, columns).sort_by("query_id")
            for unit in (one_by_one[expert], found[expert])
        ]
        assert rows[0] == rows[1]
        assert is_complete(found[expert])
    per_expert = [[Path(part).stat().st_mtime for part in parts(unit.path)] for unit in found.values()]
    assert max(map(min, per_expert)) < min(map(max, per_expert))  # their times overlap
    assert "generation: adder; namer: 72/72 rows" in console.file.getvalue()  # type: ignore[attr-defined]


def test_an_engine_that_fails_lets_its_neighbours_end(settings: dict[str, Any], console: Console) -> None:
    adder, namer = settings["generation"]["experts"]
    adder["engine"]["failure_rate"], namer["engine"]["first_token_s"] = 1.0, 0.5
    settings["generation"]["side_by_side"] = True
    with pytest.raises(StageError, match="adder: all 36 rows were rejected"):
        generate(settings, console)
    config = RunConfig.model_validate(settings)
    units = generation.units(config.generation, queries.unit(config.queries, config.run_dir), config.run_dir)
    assert is_complete(units["namer"])
