"""The evaluation stage: what it reads, compares and writes, on a tiny router and units made by hand."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from tests.tiny_models import save_router
from zooter_ray import pipeline
from zooter_ray.artifacts import Unit, commit, make_unit, write_manifest
from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.errors import ArtifactError, DataError
from zooter_ray.evaluation.learned import Learned, learn, rows_of_outcomes
from zooter_ray.evaluation.schema import read_report
from zooter_ray.outcomes import Outcomes
from zooter_ray.progress import new_console
from zooter_ray.router.directory import BASELINES_FILE, read_card
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.schemas import RESPONSES, REWARDS
from zooter_ray.stages import evaluation

EXPERTS = ["llama", "vicuna"]


def outcomes(**changed: Any) -> Outcomes:
    content: dict[str, Any] = {
        "experts": EXPERTS, "query_ids": ["a", "b"], "queries": ["What is 2 + 2?", "Name a fruit."],
        "sources": ["maths", "food"], "tags": [[], []], "splits": ["eval"] * 2,
        "rewards_QM": np.array([[1.0, 0.0], [0.2, 0.3]]), "metrics_QM": np.array([[1.0, 0.0], [0.0, 1.0]]),
        "costs_QM": None,
    }  # fmt: skip
    return Outcomes(**{**content, **changed})


@pytest.fixture
def rewards_of(tmp_path: Path) -> Callable[[str, dict[str, list[tuple[str, int, float]]]], dict[str, Unit]]:
    """Units of one reward model from (query_id, sample, reward) by expert."""

    def make(model: str, rewards: dict[str, list[tuple[str, int, float]]]) -> dict[str, Unit]:
        units = {expert: make_unit(str(tmp_path), "03_rewards", f"{model}/{expert}", {}) for expert in rewards}
        for expert, rows in rewards.items():
            columns = [dict(zip(("query_id", "sample", "reward"), row, strict=True)) for row in rows]
            table = pa.Table.from_pylist([{**row, "expert": expert, "reward_model": model} for row in columns], REWARDS)
            commit(units[expert].path, table, ["query_id", "sample"])
        return units

    return make


def test_neighbours_are_left_out_where_their_embedder_is_not_there(tmp_path: Path) -> None:
    shown = io.StringIO()
    array = np.eye(2)
    learned = Learned({}, {}, {}, {}, embedder=f"{tmp_path}/gone", embeddings_QD=array, value_QM=array)
    console = new_console(shown, width=120)
    assert evaluation.neighbours(EvaluationConfig(), learned, ["q"], console) is None
    assert "nearest neighbours are left out: " in shown.getvalue()


def test_what_the_router_has_seen_counts_beside_the_given_training_rows(tmp_path: Path, console: Console) -> None:
    router = save_router(tmp_path / "router", EXPERTS, baselines={"overall": {}, "per_source": {}})
    (router / BASELINES_FILE).write_bytes(learn(rows_of_outcomes(outcomes(queries=["seen", "twice"]))).to_npz())
    given = outcomes(queries=["given", "twice"])
    found = pipeline.learned_of(str(router), RouterPredictor(router), given, console)
    assert found.rows_seen(["seen", "given", "twice", "unseen"]) == 3


def test_a_router_that_was_copied_without_its_arrays_says_what_it_lacks(tmp_path: Path) -> None:
    router = save_router(tmp_path / "router", EXPERTS)
    shown = new_console(io.StringIO(), width=200)
    assert evaluation.learned_left(str(router), read_card(router), shown).rows_seen(["any"]) == 0
    assert "router/baselines.npz is missing, so there is no baseline of nearest neighbours" in shown.file.getvalue()  # type: ignore[attr-defined]
    with_training = new_console(io.StringIO(), width=200)
    given = pipeline.learned_of(str(router), RouterPredictor(router), outcomes(), with_training)
    assert given.rows_seen(outcomes().queries) == 2
    assert with_training.file.getvalue() == ""  # type: ignore[attr-defined]
    (router / BASELINES_FILE).write_bytes(learn(rows_of_outcomes(outcomes())).to_npz()[:100])
    with pytest.raises(ArtifactError, match=r"router/baselines\.npz: the arrays of the router's baselines are damaged"):
        evaluation.learned_left(str(router), read_card(router), shown)


def test_samples_are_averaged_and_an_expert_without_a_reward_comes_last(rewards_of: Any, console: Console) -> None:
    units = rewards_of("ultrarm", {"llama": [("a", 0, 1.0), ("a", 1, 4.0), ("x", 0, 9.0)], "vicuna": [("b", 0, -3.0)]})
    found = dict(evaluation.rankings({"ultrarm": units}, outcomes(), "other", console))
    assert found["ultrarm"].tolist() == [[2.5, -np.inf], [-np.inf, -3.0]]


def test_a_reward_model_that_lacks_rows_is_not_ranked_by(rewards_of: Any, console: Console) -> None:
    units = rewards_of("reference", {"llama": [("a", 0, 1.0)], "vicuna": [("a", 0, 1.0)]})
    assert dict(evaluation.rankings({"reference": units}, outcomes(), "other", console)) == {}
    assert "no reward ranking by reference, which lacks 1 rows" in console.file.getvalue()  # type: ignore[attr-defined]


def test_where_the_report_goes_by_rewards_their_own_model_would_be_the_oracle(
    rewards_of: Any, console: Console
) -> None:
    units = rewards_of("ultrarm", {expert: [("a", 0, 1.0), ("b", 0, 1.0)] for expert in EXPERTS})
    rankings = {"ultrarm": units}
    assert list(dict(evaluation.rankings(rankings, outcomes(), "ultrarm", console))) == ["ultrarm"]
    assert dict(evaluation.rankings(rankings, outcomes(metrics_QM=None), "ultrarm", console)) == {}


def test_responses_are_those_of_the_first_sample(tmp_path: Path) -> None:
    unit = make_unit(str(tmp_path), "02_responses", "llama", {})
    rows = [
        {"query_id": query_id, "expert": "llama", "sample": sample, "query": "?", "response": f"{query_id}{sample}",
         "finish_reason": "stop", "prompt_tokens": 1, "generated_tokens": 1, "seconds": 0.1}
        for query_id in "abc" for sample in (1, 0)
    ]  # fmt: skip
    for part in (rows[:3], rows[3:]):
        commit(unit.path, pa.Table.from_pylist(part, RESPONSES), ["query_id", "sample"])
    assert evaluation.responses_of({"llama": unit}, {"a", "c"}) == {"a": {"llama": "a0"}, "c": {"llama": "c0"}}


def test_other_routers_choose_in_the_order_of_the_pool_and_are_named_by_their_loss(
    tmp_path: Path, console: Console
) -> None:
    hard = save_router(tmp_path / "hard", list(reversed(EXPERTS)), loss="hard_label")
    ((name, chosen_Q),) = evaluation.other_routers(EvaluationConfig(other_routers=[str(hard)]), outcomes(), console)
    assert name == "hard-label router"
    predictor = RouterPredictor(hard)
    best = predictor(outcomes().queries).argmax(axis=1)
    assert [EXPERTS[choice] for choice in chosen_Q] == [predictor.experts[choice] for choice in best]

    both = EvaluationConfig(other_routers=[str(hard), str(save_router(tmp_path / "soft", EXPERTS))])
    assert [name for name, _ in evaluation.other_routers(both, outcomes(), console)] == [
        "hard-label router 1", "router 2"
    ]  # fmt: skip


def test_another_router_of_another_pool_is_refused(tmp_path: Path, console: Console) -> None:
    other = save_router(tmp_path, ["llama", "wizard"])
    with pytest.raises(ArtifactError, match="routes to llama, wizard"):
        list(evaluation.other_routers(EvaluationConfig(other_routers=[str(other)]), outcomes(), console))


def test_another_router_that_was_distilled_anew_makes_the_report_anew(tmp_path: Path) -> None:
    directory = str(save_router(tmp_path / "other", EXPERTS, beta=0.3))
    config, router = EvaluationConfig(other_routers=[directory]), make_unit(str(tmp_path), "05_router", "router", {})
    before = evaluation.unit(config, router, {}, str(tmp_path))
    save_router(tmp_path / "other", EXPERTS, beta=0.9)
    assert evaluation.unit(config, router, {}, str(tmp_path)).fingerprint != before.fingerprint


def test_a_hard_label_router_of_the_run_is_compared_without_being_named(tmp_path: Path) -> None:
    labels, others = (make_unit(str(tmp_path), "04_labels", name, {}) for name in ("labels", "others"))

    def trained(inputs: Unit, **settings: Any) -> Unit:
        unit = make_unit(str(tmp_path), "05_router", "router", settings, [inputs])
        save_router(Path(unit.path), EXPERTS, **settings)
        write_manifest(unit, 1, 1, {})
        return unit

    router, hard = trained(labels, loss="kl"), trained(labels, loss="hard_label")
    trained(others, loss="hard_label")
    trained(labels, loss="reverse_kl")
    unfinished = trained(labels, loss="hard_label", beta=0.9)
    Path(unfinished.path, "manifest.json").unlink()
    assert evaluation.hard_label_routers(router) == [hard.path]
    assert evaluation.hard_label_routers(hard) == []


def test_a_new_report_leaves_no_plots_of_the_former(tmp_path: Path, console: Console) -> None:
    predictor = RouterPredictor(save_router(tmp_path / "router", EXPERTS))
    output = tmp_path / "report"
    for costs_QM in (np.ones((2, 2)), None):
        evaluation.evaluate(
            EvaluationConfig(draws=100), predictor, outcomes(costs_QM=costs_QM),
            Learned({"llama": 0.4, "vicuna": 0.6}, {}, {}, {}), dict(zip(EXPERTS, EXPERTS, strict=True)), {}, {},
            str(output), console,
        )  # fmt: skip
        assert (output / "quality_against_cost.png").exists() == (costs_QM is not None)
        assert (output / "quality_against_cost.csv").exists() == (costs_QM is not None)


def test_a_report_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"schema_version": 1}))
    with pytest.raises(DataError, match="is no report of this version; evaluate again"):
        read_report(str(path))
