"""What a measured run teaches the model."""

import pytest

from zooter_ray.planning.calibration import Calibration, Measured, calibrate
from zooter_ray.planning.measured import as_measured
from zooter_ray.planning.plan import Line
from zooter_ray.timing import Timing


def line(stage: str = "generation", rows: float = 100.0, start_s: float = 30.0, busy_s: float = 10.0) -> Line:
    return Line(stage, "u", "m", 1, 1, rows, 0, 0, 0, 0, 0, start_s, busy_s, "compute")


def test_a_factor_is_recovered_exactly() -> None:
    found = calibrate([Measured("generation", "m", start_s=7.0, busy_s=25.0, predicted_busy_s=10.0)])
    assert found.factors["generation/m"] == 2.5
    assert found.apply("generation", "m", start_s=40.0, busy_s=10.0) == (7.0, 25.0)
    assert found.apply("generation", "m", start_s=40.0, busy_s=30.0) == (7.0, 75.0)


def test_another_model_gets_the_ratio_of_sums_of_its_stage() -> None:
    found = calibrate([Measured("generation", "a", 10.0, 30.0, 10.0), Measured("generation", "b", 20.0, 10.0, 10.0)])
    assert found.apply("generation", "c", 1.0, 1.0) == (15.0, 2.0)
    assert found.apply("generation", "b", 1.0, 1.0) == (20.0, 1.0)


def test_a_stage_that_was_not_measured_stays_as_the_model_has_it() -> None:
    assert Calibration().apply("scoring", "m", 1.5, 2.5) == (1.5, 2.5)


def test_a_unit_without_work_gives_its_start_alone() -> None:
    found = calibrate([Measured("queries", "rules", 0.2, 0.0, 1.0)])
    assert (found.factors, found.starts["queries/rules"]) == ({}, 0.2)


def test_the_start_of_generation_is_measured() -> None:
    timing = Timing(seconds=50.0, start_s=32.0, first_s=42.0, first_rows=64, rows=100, shared_by=("m",))
    assert as_measured(line(), timing) == Measured("generation", "m", 32.0, 18.0, 10.0)


def test_of_a_resumed_unit_the_time_counts_for_all_rows() -> None:
    timing = Timing(seconds=50.0, start_s=30.0, first_s=42.0, first_rows=25, rows=25, shared_by=("m",))
    assert as_measured(line(rows=100.0), timing).busy_s == pytest.approx(80.0)


def at_once(seconds: float) -> Timing:
    return Timing(seconds, start_s=seconds, first_s=seconds, first_rows=100, rows=100, shared_by=("u",))


def test_the_models_work_is_believed_where_all_rows_come_at_once() -> None:
    assert as_measured(line("queries", busy_s=3.0), at_once(18.0)) == Measured("queries", "m", 15.0, 3.0, 3.0)


def test_what_is_shorter_than_the_models_work_is_all_work() -> None:
    assert as_measured(line("queries", busy_s=40.0), at_once(18.0)) == Measured("queries", "m", 0.0, 18.0, 40.0)


def test_what_is_longer_than_any_start_is_work() -> None:
    assert as_measured(line("queries", busy_s=3.0), at_once(130.0)) == Measured("queries", "m", 30.0, 100.0, 3.0)


def test_of_scoring_block_by_block_the_later_blocks_tell_the_rate() -> None:
    # 30 rows took 6 s after the first block, so all 40 take 8 s of work, and the other 7 s are the start.
    timing = Timing(seconds=15.0, start_s=9.0, first_s=9.0, first_rows=10, rows=40, shared_by=("u",))
    assert as_measured(line("scoring", rows=40.0), timing) == Measured("scoring", "m", 7.0, 8.0, 10.0)
