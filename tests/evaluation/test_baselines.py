"""What a router is compared with, by hand on four rows and two experts."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from zooter_ray.errors import ArtifactError
from zooter_ray.evaluation.baselines import best_single, compared_methods, values
from zooter_ray.evaluation.learned import Learned, learn, learned_from_json, rows_of_labels, rows_of_outcomes
from zooter_ray.outcomes import Outcomes
from zooter_ray.schemas import LABELS

METRICS_QM = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
REWARDS_QM = np.array([[3.0, 1.0], [3.0, 2.0], [0.0, 5.0], [4.0, 4.0]])
COSTS_QM = np.array([[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [10.0, 40.0]])


def outcomes(metrics: bool = True, costs: bool = True) -> Outcomes:
    return Outcomes(
        experts=["llama", "vicuna"],
        query_ids=["a", "b", "c", "d"],
        queries=["?"] * 4,
        sources=["maths", "maths", "maths", "code"],
        tags=[[]] * 4,
        splits=["eval"] * 4,
        rewards_QM=REWARDS_QM,
        metrics_QM=METRICS_QM if metrics else None,
        costs_QM=COSTS_QM if costs else None,
    )


LEARNED = Learned({"llama": 0.4, "vicuna": 0.6}, {}, {}, {})
CHOSEN_Q = np.array([0, 1, 1, 1])


def test_a_response_is_worth_its_metric_or_else_its_reward() -> None:
    np.testing.assert_array_equal(values(outcomes()), METRICS_QM)
    np.testing.assert_array_equal(values(outcomes(metrics=False)), REWARDS_QM)


def test_each_method_has_the_value_and_the_cost_of_what_it_chooses() -> None:
    methods = {method.name: method for method in compared_methods(outcomes(), CHOSEN_Q, LEARNED)}
    found = {name: (method.value_Q.tolist(), method.cost_Q.tolist()) for name, method in methods.items()}
    assert found == {
        "random": ([0.5, 0.5, 0.5, 0.5], [15, 15, 15, 25]),
        "llama": ([1, 1, 0, 0], [10, 10, 10, 10]),
        "vicuna": ([0, 0, 1, 1], [20, 20, 20, 40]),
        "best single": ([0, 0, 1, 1], [20, 20, 20, 40]),
        "zooter": ([1, 0, 1, 1], [10, 20, 20, 40]),
        "oracle": ([1, 1, 1, 1], [10, 10, 20, 40]),
    }


def test_methods_come_in_the_order_in_which_they_are_shown() -> None:
    kinds = [method.kind for method in compared_methods(outcomes(), CHOSEN_Q, LEARNED)]
    assert kinds == ["random", "expert", "expert", "baseline", "router", "oracle"]


def test_what_is_known_of_no_row_is_no_baseline_of_its_own() -> None:
    llama = {"llama": 0.9, "vicuna": 0.1}
    tagged = replace(outcomes(), tags=[["sums"], [], [], ["new"]])
    learned = replace(LEARNED, per_source={"code": llama}, per_tag={"sums": llama})
    found = {method.name: method for method in compared_methods(tagged, CHOSEN_Q, learned)}
    assert found["best per source"].chosen_Q.tolist() == [1, 1, 1, 0]
    assert found["best per tag"].chosen_Q.tolist() == [0, 1, 1, 1]
    elsewhere = replace(LEARNED, per_source={"law": llama}, per_tag={"wills": llama})
    names = [method.name for method in compared_methods(tagged, CHOSEN_Q, elsewhere)]
    assert "best single" in names
    assert not {"best per source", "best per tag"} & set(names)


def test_the_oracle_takes_the_best_metric_and_not_the_best_reward() -> None:
    (oracle,) = (m for m in compared_methods(outcomes(), CHOSEN_Q, LEARNED) if m.kind == "oracle")
    assert oracle.value_Q[3] == 1  # both experts earn the same reward on this row
    (oracle,) = (m for m in compared_methods(outcomes(metrics=False), CHOSEN_Q, LEARNED) if m.kind == "oracle")
    assert oracle.value_Q.tolist() == [3, 3, 5, 4]


def test_without_costs_no_method_has_one() -> None:
    assert all(m.cost_Q is None for m in compared_methods(outcomes(costs=False), CHOSEN_Q, LEARNED))


def test_the_best_single_expert_is_chosen_on_training_means_whatever_the_evaluation_rows_say() -> None:
    for best, other in (("llama", "vicuna"), ("vicuna", "llama")):
        learned = Learned({best: 0.6, other: 0.4}, {}, {}, {})
        (single,) = (m for m in compared_methods(outcomes(), CHOSEN_Q, learned) if m.name == "best single")
        assert single.expert == best


def test_of_several_best_experts_the_first_of_the_pool_is_taken() -> None:
    assert best_single(Learned({"wizard": 0.5, "vicuna": 0.7, "llama": 0.7}, {}, {}, {})) == "vicuna"


def test_means_are_per_source_and_their_mean() -> None:
    found = learn(rows_of_outcomes(outcomes()))
    assert found.per_source == {
        "code": {"llama": 0.0, "vicuna": 1.0},
        "maths": {"llama": pytest.approx(2 / 3), "vicuna": pytest.approx(1 / 3)},
    }
    assert found.overall == {"llama": pytest.approx(1 / 3), "vicuna": pytest.approx(2 / 3)}


def test_means_per_tag_are_over_all_rows_with_the_tag() -> None:
    rows = replace(rows_of_outcomes(outcomes()), tags=[["a"], ["a", "b"], ["b"], []])
    found = learn(rows)
    assert found.per_tag == {"a": {"llama": 1.0, "vicuna": 0.0}, "b": {"llama": 0.5, "vicuna": 0.5}}
    assert found.tag_rows == {"a": 2, "b": 2}


def test_what_was_learned_survives_the_router_directory() -> None:
    embeddings_QD = np.eye(4, 3, dtype=np.float32)
    found = learn(rows_of_outcomes(outcomes()), lambda queries: embeddings_QD, "minilm", 256)
    again = learned_from_json(found.to_json(), found.to_npz())
    assert again.to_json() == found.to_json()
    np.testing.assert_array_equal(again.embeddings_QD, embeddings_QD)
    np.testing.assert_array_equal(again.value_QM, METRICS_QM)
    assert again.rows_seen([*outcomes().queries[:2], "another"]) == 2


@pytest.mark.parametrize("arrays", [b"", b"PK\x03\x04", b"<html>gateway</html>"])
def test_damaged_arrays_are_one_sentence(arrays: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"the arrays of the router's baselines are damaged: .+"):
        learned_from_json(learn(rows_of_outcomes(outcomes())).to_json(), arrays)


def test_what_earns_is_named_by_all_rows_as_in_the_report() -> None:
    metrics = pa.array([[1.0, 0.0], None], pa.list_(pa.float64()))
    labels = pa.table(
        {
            "split": ["train", "eval"], "metrics": metrics, "rewards": [[0.0, 1.0], [0.0, 1.0]], "query": ["q", "r"],
            "source": ["s", "s"], "tags": pa.array([[], []], pa.list_(pa.string())),
        }
    )  # fmt: skip
    rows = rows_of_labels(labels, ["a", "b"])
    assert (rows.value, rows.value_QM.tolist()) == ("reward", [[0.0, 1.0]])


def test_training_queries_are_known_again_without_an_embedder() -> None:
    found = learn(rows_of_outcomes(outcomes()))
    again = learned_from_json(found.to_json(), found.to_npz())
    assert (again.embeddings_QD, again.value_QM) == (None, None)
    assert again.rows_seen(["another", outcomes().queries[0]]) == 1


def test_a_router_directory_without_arrays_has_no_neighbours() -> None:
    found = learned_from_json({"overall": {"llama": 1.0}, "per_source": {}, "embedder": "minilm"}, None)
    assert (found.embedder, found.embeddings_QD, found.per_tag) == ("minilm", None, {})
    assert found.rows_seen(["any"]) == 0


def label_table(metrics: list[list[float] | None]) -> pa.Table:
    splits = ["train", "validation", "eval", "train"]
    rows = [
        {
            "query_id": str(row),
            "query": "?",
            "source": "maths",
            "tags": [],
            "split": splits[row],
            "rewards": REWARDS_QM[row].tolist(),
            "metrics": metrics[row],
            "costs": None,
            "label": [0.5, 0.5],
            "has_preference": True,
        }
        for row in range(4)
    ]
    return pa.Table.from_pylist(rows, schema=LABELS)


def test_expert_means_leave_validation_and_evaluation_rows_out() -> None:
    found = learn(rows_of_labels(label_table([[1, 0], [1, 0], [0, 1], [0, 1]]), ["llama", "vicuna"]))
    assert found.overall == {"llama": 0.5, "vicuna": 0.5}


def test_expert_means_are_those_of_the_rewards_where_there_are_no_metrics() -> None:
    found = learn(rows_of_labels(label_table([None] * 4), ["llama", "vicuna"]))
    assert found.overall == {"llama": 3.5, "vicuna": 2.5}
