"""The query that kills engines is found and rejected; all others are answered once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from zooter_ray import pipeline
from zooter_ray.artifacts import make_unit, read_table
from zooter_ray.config import RunConfig
from zooter_ray.schemas import REJECTED, RESPONSES
from zooter_ray.stages.engines.ledger import Ledger, block_key, new_ledger, row_key

ROWS = [{"expert": "llama", "query_id": name, "sample": 0} for name in "ab"]


def test_a_key_that_was_taken_and_never_struck_out_was_deadly(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "in_hand"), attempts=2)
    assert ledger.take("x") == 0
    ledger.strike("x")
    assert [ledger.take("x"), ledger.take("x"), ledger.take("y")] == [0, 1, 0]
    ledger.strike("x")
    ledger.strike("never taken")
    assert ledger.take("x") == 0


def test_a_block_is_known_by_its_rows_in_any_order() -> None:
    assert block_key(ROWS) == block_key(reversed(ROWS)) != block_key(ROWS[:1])
    assert row_key(ROWS[0]) != row_key(ROWS[1])


def test_a_new_run_accuses_nobody(tmp_path: Path) -> None:
    unit = make_unit(str(tmp_path), "02_responses", "llama", {})
    new_ledger([unit], 2).take("x")
    assert new_ledger([unit], 2).take("x") == 0


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
def test_the_deadly_query_is_rejected_and_the_others_are_answered(
    settings: dict[str, Any], tmp_path: Path, console: Console
) -> None:
    log = tmp_path / "requests"
    adder, _ = settings["generation"]["experts"]
    adder["engine"] |= {"dies_on": "thing 7?", "request_log": str(log)}
    result = pipeline.run(RunConfig.model_validate(settings), console, until="generation")
    (unit,) = Path(result.paths["generation"], "adder").iterdir()
    answered = read_table(str(unit), RESPONSES)["query_id"].to_pylist()
    assert len(answered) == len(set(answered)) == 35
    (rejected,) = read_table(str(unit / "rejected"), REJECTED).to_pylist()
    assert (rejected["query_id"], rejected["reason"]) == ("names/007", "the engine died on this query, 2 times")
    asked = Counter(line.split()[1] for line in log.read_text().splitlines())
    assert asked.pop("names/007") == 3, "once among others, twice alone"
    again = [query_id for query_id, times in asked.items() if times > 1]
    assert len(again) <= 7, "only the rest of its block is asked again"
    assert not list((unit / "in_hand").iterdir())
