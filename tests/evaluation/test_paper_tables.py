"""The paper's tables for one's own experts, by hand on two experts and three sources in two groups."""

from typing import Any

import numpy as np
import pytest

from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.errors import DataError
from zooter_ray.evaluation.learned import Learned
from zooter_ray.evaluation.paper_tables import MethodRow, PaperTables, make_tables, size
from zooter_ray.evaluation.rendering.paper_tables import notes, table2
from zooter_ray.evaluation.report import Evidence, build_report
from zooter_ray.evaluation.schema import Report, RouterSettings
from zooter_ray.outcomes import Outcomes

EXPERTS = ["llama", "vicuna"]
SOURCES = ["flask/law", "flask/law", "flask/arts", "mt_bench/maths"]
# flask/law: llama 1/2, vicuna 1/2; flask/arts: llama 1, vicuna 0; mt_bench/maths: llama 2, vicuna 8.
LEARNED = {"llama": 0.4, "vicuna": 0.6}
METRICS_QM = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [2.0, 8.0]])


def report_of(choices: list[int], **router: Any) -> Report:
    """A router that chooses these experts; the reward model prefers llama everywhere, training data vicuna."""
    outcomes = Outcomes(
        EXPERTS, list("abcd"), ["?"] * 4, SOURCES, [[]] * 4, ["eval"] * 4, np.array([[1.0, 0.0]] * 4), METRICS_QM, None
    )
    settings = {"loss": "kl", "beta": 0.3, "temperature": 0.5, "parameters": 86_000_000} | router
    settings = {"used_beta": settings["beta"]} | settings
    evidence = Evidence(
        outcomes, np.eye(2)[choices], Learned(LEARNED, dict.fromkeys(SOURCES, LEARNED), {}, {}),
        {"llama": "llama", "vicuna": "vicuna (same weights as llama)"}, RouterSettings(**settings),
        reward_models={"ultrarm": np.array([[1.0, 0.0]] * 4)},
    )  # fmt: skip
    return build_report(evidence, EvaluationConfig(draws=100))


BEST = report_of([0, 1, 0, 1])
GPT = {"flask/law": 0.5, "flask/arts": 0.9, "mt_bench/maths": 9.0}


def tables_of(report: Report = BEST, **changed: Any) -> PaperTables:
    return make_tables(**{"reports": {"run": report}, "references": {"GPT": GPT}, "parameters": {}} | changed)


def row(tables: PaperTables, method: str) -> MethodRow:
    (found,) = (row for row in tables.table1 if row.method == method)
    return found


def test_the_rows_of_table_1_stand_in_the_papers_order() -> None:
    assert [(row.method, row.kind) for row in tables_of().table1] == [
        ("llama", "expert"),
        ("vicuna (same weights as llama)", "expert"),
        ("best single", "baseline"),
        ("best per source", "baseline"),
        ("random", "random"),
        ("zooter", "router"),
        ("reward ranking: ultrarm", "reward_ranking"),
        ("oracle", "oracle"),
        ("GPT", "reference"),
    ]


def test_means_and_ranks_are_per_group_and_over_all() -> None:
    found = tables_of()
    llama, vicuna, gpt = row(found, "llama"), row(found, "vicuna (same weights as llama)"), row(found, "GPT")
    # llama: 1/2 (tied first), 1 (first), 2 (second). vicuna: tied first, second, first.
    assert llama.per_group["flask"].model_dump() == {"mean": 0.75, "mean_task_rank": 1}
    assert llama.per_group["mt_bench"].model_dump() == {"mean": 2, "mean_task_rank": 2}
    assert (llama.mean, llama.mean_task_rank, llama.uplift) == tuple(
        map(pytest.approx, (3.5 / 3, 4 / 3, 2 / 3))
    )  # fmt: skip
    assert (vicuna.per_group["flask"].mean_task_rank, vicuna.mean_task_rank) == (1.5, pytest.approx(4 / 3))
    # GPT: tied first, second behind llama, first.
    assert gpt.per_group["flask"].model_dump() == {"mean": pytest.approx(0.7), "mean_task_rank": 1.5}
    assert (gpt.mean_task_rank, gpt.uplift) == (pytest.approx(4 / 3), pytest.approx(2 / 3))


def test_what_the_report_says_of_its_methods_is_what_table_1_says() -> None:
    found = tables_of()
    for method in BEST.methods:
        shown = row(found, method.shown)
        assert (shown.mean, shown.mean_task_rank, shown.uplift, shown.per_group) == (
            method.mean, method.mean_task_rank, method.uplift, method.per_group
        )  # fmt: skip


def test_averages_of_groups_may_be_ranked_as_well() -> None:
    found = tables_of(include_overall=True)
    assert found.include_overall
    # llama's averages, 0.75 and 2: first and second. GPT's, 0.7 and 9: second and first.
    assert row(found, "llama").mean_task_rank == pytest.approx((1 + 1 + 2 + 1 + 2) / 5)
    assert row(found, "llama").per_group["flask"].mean_task_rank == pytest.approx((1 + 1 + 1) / 3)
    assert row(found, "GPT").mean_task_rank == pytest.approx((1 + 2 + 1 + 2 + 1) / 5)


def test_nothing_is_ranked_against_a_reference() -> None:
    god = dict.fromkeys(GPT, 99.0)
    for against in ("experts", "all"):
        alone = tables_of(references={}, rank_against=against).table1
        assert tables_of(references={"GPT": god}, rank_against=against).table1[: len(alone)] == alone
    # Jointly: on law zooter, best per source and the oracle earn 1; nobody is ahead of zooter's 1, 1 and 8.
    assert row(tables_of(rank_against="all"), "zooter").mean_task_rank == 1
    assert row(tables_of(rank_against="all"), "llama").mean_task_rank > 2


@pytest.mark.parametrize(
    ("parameters", "inference"),
    [
        ({}, ["1", "1", "1", "2", "2"]),
        ({"llama": 13e9}, ["13B", "1", "1", "2", "2"]),
        ({"llama": 13e9, "vicuna": 13e9}, ["13B", "13B", "13B", "2x13B", "2x13B"]),
        ({"llama": 13e9, "vicuna": 1.7e9}, ["13B", "1.7B", "1.7B to 13B", "1x1.7B + 1x13B", "1x1.7B + 1x13B"]),
    ],
)
def test_what_answers_a_query_is_named_by_size_where_that_is_known(
    parameters: dict[str, float], inference: list[str]
) -> None:
    found = tables_of(parameters=parameters)
    asked = ["llama", "vicuna (same weights as llama)", "zooter", "reward ranking: ultrarm", "oracle"]
    assert [row(found, method).inference for method in asked] == inference
    assert row(found, "best single").inference == row(found, asked[1]).inference, "which vicuna is"
    assert row(found, "GPT").inference is None


def test_what_chooses_is_the_router_or_a_reward_model() -> None:
    found = tables_of(parameters={"ultrarm": 13e9})
    assert row(found, "zooter").ranker_parameters == 86e6
    assert row(found, "reward ranking: ultrarm").ranker_parameters == 13e9
    assert row(found, "oracle").ranker_parameters is None
    assert row(tables_of(), "reward ranking: ultrarm").ranker_parameters is None


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [(13e9, "13B"), (1.72e9, "1.7B"), (7e9, "7B"), (86_123_456, "86M"), (300e6, "300M"), (6_016, "6K"), (12, "12")],
)
def test_sizes_are_written_as_one_says_them(parameters: float, shown: str) -> None:
    assert size(parameters) == shown


def test_table_2_is_sorted_as_in_the_paper_and_knows_no_beta_of_hard_labels() -> None:
    reports = {
        "one": report_of([1, 1, 1, 1], beta=1.0),
        "reverse": report_of([0, 0, 0, 0], beta=0.0, loss="reverse_kl"),
        "hard": report_of([1, 0, 1, 0], loss="hard_label"),
        "warm": report_of([0, 1, 0, 1], beta=0.3, temperature=2.0),
        "best": report_of([0, 1, 0, 1], beta=0.3),
    }
    found = make_tables(reports, {}, {})
    assert [(row.run, row.loss, row.beta, row.temperature) for row in found.table2] == [
        ("hard", "hard_label", None, None),
        ("best", "kl", 0.3, 0.5),
        ("warm", "kl", 0.3, 2.0),
        ("one", "kl", 1.0, 0.5),
        ("reverse", "reverse_kl", 0.0, 0.5),
    ]
    # hard: 0, 0, 2 is third, second, second. best: 1, 1, 8. one is vicuna, reverse is llama.
    assert [row.mean_task_rank for row in found.table2] == pytest.approx([7 / 3, 1, 1, 4 / 3, 4 / 3])
    assert [row.mean for row in found.table2] == pytest.approx([2 / 3, 10 / 3, 10 / 3, 8.5 / 3, 3.5 / 3])
    assert found.figure3 == reports["one"].entropy, "Table 1 and Figure 3 are of the first run"
    assert row(found, "zooter").mean == pytest.approx(8.5 / 3)


def test_table_2_shows_beta_as_it_was_set_and_what_few_rows_made_of_it() -> None:
    reports = {
        "few": report_of([0, 1, 0, 1], beta=0.3, used_beta=0.0089),
        "all": report_of([0, 1, 0, 1], used_beta=0.3),
    }
    found = make_tables(reports, {}, {})
    assert [(row.run, row.beta, row.used_beta) for row in found.table2] == [("all", 0.3, 0.3), ("few", 0.3, 0.0089)]
    assert [list(line[1:4]) for line in table2(found).rows] == [["0.3", "0.5", "all"], ["0.3 (0.0089)", "0.5", "few"]]
    assert "Beta in brackets" in notes(found)
    assert "Beta in brackets" not in notes(tables_of())


def test_every_run_is_ranked_against_the_same_field() -> None:
    """A reward ranking that one report has and the other lacks is no rival: it beats vicuna on flask/arts."""
    full = report_of([1, 1, 1, 1])
    lesser = full.model_copy(update={"methods": [one for one in full.methods if one.kind != "reward_ranking"]})
    first, second = make_tables({"full": full, "lesser": lesser}, {}, {}, "all").table2
    assert first.mean_task_rank == second.mean_task_rank
    (alone,) = make_tables({"full": full}, {}, {}, "all").table2
    assert alone.mean_task_rank == pytest.approx(first.mean_task_rank + 1 / 3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"experts": {"llama": "llama", "wizard": "wizard"}},
            "^runs/a and runs/b cannot be compared: one routes to llama, vicuna, the other to llama, wizard$",
        ),
        (
            {"rows_fingerprint": "another", "rows": 5},
            r"^runs/a and runs/b cannot be compared: they were evaluated on different rows \(4 and 5\), or their",
        ),
    ],
)
def test_runs_of_other_experts_or_rows_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_tables({"runs/a": BEST, "runs/b": BEST.model_copy(update=changed)}, {}, {})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"flask/law": None}, "^reference 'GPT' has no value for source 'flask/law'; it needs one for every source$"),
        ({"flask/lore": 1.0}, "^reference 'GPT' has a value for 'flask/lore'; the sources are flask/arts, flask/law"),
    ],
)
def test_a_reference_of_other_sources_is_refused(changed: dict[str, float | None], message: str) -> None:
    wrong = {source: value for source, value in (GPT | changed).items() if value is not None}
    with pytest.raises(DataError, match=message):
        tables_of(references={"GPT": wrong})


def test_an_expert_may_be_called_like_a_method() -> None:
    renamed = [
        method.model_copy(update={"method": "best single"}) if method.method == "llama" else method
        for method in BEST.methods
    ]
    experts = {"best single": "llama", "vicuna": "vicuna"}
    found = tables_of(
        BEST.model_copy(update={"methods": renamed, "experts": experts}),
        parameters={"best single": 7e9, "vicuna": 13e9},
    )
    assert (row(found, "llama").inference, row(found, "best single").inference) == ("7B", "13B")


def test_tables_survive_json() -> None:
    found = tables_of()
    assert PaperTables.model_validate_json(found.model_dump_json()) == found
