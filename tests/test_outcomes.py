"""Outcomes files: what is read from them, and what is refused with which words."""

import dataclasses
import gzip
import json
import math
import uuid
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.artifacts import write_bytes
from zooter_ray.errors import DataError
from zooter_ray.outcomes import Outcomes, of_split, outcomes_table, read_outcomes
from zooter_ray.pipeline import rankings_of

ROWS: list[dict[str, Any]] = [
    {
        "query_id": "q2",
        "query": "Name a fruit.",
        "source": "food",
        "tags": ["fruit", "naming", "fruit"],
        "split": "eval",
        "rewards": {"vicuna": 0.5, "llama": -2},
        "metrics": {"vicuna": 1, "llama": 0},
        "costs": {"vicuna": 12, "llama": 7},
    },
    {
        "query_id": "q1",
        "query": "What is 2 + 2?",
        "source": "maths",
        "tags": [],
        "split": "train",
        "rewards": {"llama": 1.5, "vicuna": 3},
        "metrics": {"llama": 1, "vicuna": 0},
        "costs": {"llama": 3, "vicuna": 4},
    },
]


def lines(rows: list[Any]) -> bytes:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()


def write(path: Path, rows: list[Any]) -> str:
    path.write_bytes(lines(rows))
    return str(path)


def assert_same(first: Outcomes, second: Outcomes) -> None:
    for field in dataclasses.fields(Outcomes):
        np.testing.assert_equal(getattr(first, field.name), getattr(second, field.name), err_msg=field.name)


def row(**changed: Any) -> dict[str, Any]:
    return {"query_id": "a", "query": "Hi.", "rewards": {"llama": 1, "vicuna": 2}, **changed}


# What is read


def test_rows_come_sorted_by_query_id_and_experts_by_name(tmp_path: Path) -> None:
    outcomes = read_outcomes(write(tmp_path / "o.jsonl", ROWS))
    assert outcomes.experts == ["llama", "vicuna"]
    assert outcomes.query_ids == ["q1", "q2"]
    assert outcomes.queries == ["What is 2 + 2?", "Name a fruit."]
    assert outcomes.sources == ["maths", "food"]
    assert outcomes.splits == ["train", "eval"]
    np.testing.assert_array_equal(outcomes.rewards_QM, [[1.5, 3.0], [-2.0, 0.5]])
    np.testing.assert_array_equal(outcomes.metrics_QM, [[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(outcomes.costs_QM, [[3.0, 4.0], [7.0, 12.0]])


def test_a_tag_that_stands_twice_in_a_row_counts_once(tmp_path: Path) -> None:
    assert read_outcomes(write(tmp_path / "o.jsonl", ROWS)).tags == [[], ["fruit", "naming"]]


def test_what_is_optional_has_a_default(tmp_path: Path) -> None:
    nulls = dict.fromkeys(["source", "tags", "split", "metrics", "costs"])
    outcomes = read_outcomes(write(tmp_path / "o.jsonl", [row(), row(query_id="b", **nulls)]))
    assert outcomes.sources == ["all", "all"]
    assert outcomes.tags == [[], []]
    assert outcomes.splits == ["train", "train"]
    assert outcomes.metrics_QM is None
    assert outcomes.costs_QM is None


def test_a_wanted_pool_decides_the_order_of_the_experts(tmp_path: Path) -> None:
    outcomes = read_outcomes(write(tmp_path / "o.jsonl", ROWS), ["vicuna", "llama"])
    assert outcomes.experts == ["vicuna", "llama"]
    np.testing.assert_array_equal(outcomes.rewards_QM, [[3.0, 1.5], [0.5, -2.0]])


@settings(deadline=None)  # the machine may be busy
@given(rows=st.permutations(ROWS), data=st.data())
def test_the_order_of_rows_and_keys_does_not_matter(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    shuffled = [
        {
            key: dict(data.draw(st.permutations(list(value.items())))) if isinstance(value, dict) else value
            for key, value in data.draw(st.permutations(list(row.items())))
        }
        for row in rows
    ]
    folder = f"memory://{uuid.uuid4().hex}"
    write_bytes(f"{folder}/given.jsonl", lines(ROWS))
    write_bytes(f"{folder}/shuffled.jsonl", lines(shuffled))
    assert_same(read_outcomes(f"{folder}/shuffled.jsonl"), read_outcomes(f"{folder}/given.jsonl"))
    fsspec.filesystem("memory").rm(folder, recursive=True)


def test_gzip_and_parquet_hold_the_same_outcomes_as_json_lines(tmp_path: Path) -> None:
    plain = read_outcomes(write(tmp_path / "o.jsonl", ROWS))
    (tmp_path / "o.jsonl.gz").write_bytes(gzip.compress(lines(ROWS)))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "o.parquet")
    assert_same(read_outcomes(str(tmp_path / "o.jsonl.gz")), plain)
    assert_same(read_outcomes(str(tmp_path / "o.parquet")), plain)


@pytest.mark.parametrize("optional", [["metrics", "costs"], ["metrics"], []])
def test_outcomes_written_as_a_table_are_read_back(tmp_path: Path, optional: list[str]) -> None:
    mandatory = [key for key in ROWS[0] if key not in ("metrics", "costs")]
    kept = [{key: row[key] for key in [*mandatory, *optional]} for row in ROWS]
    outcomes = read_outcomes(write(tmp_path / "o.jsonl", kept))
    pq.write_table(outcomes_table(outcomes), tmp_path / "o.parquet")
    assert_same(read_outcomes(str(tmp_path / "o.parquet")), outcomes)


def test_rows_selects_rows_of_everything(tmp_path: Path) -> None:
    outcomes = read_outcomes(write(tmp_path / "o.jsonl", ROWS))
    picked = outcomes.rows(np.array([False, True]))
    assert_same(picked, read_outcomes(write(tmp_path / "one.jsonl", ROWS[:1])))


# What is refused


def refused(tmp_path: Path, rows: list[Any], experts: list[str] | None = None) -> str:
    """The error's message, without the folder."""
    with pytest.raises(DataError) as raised:
        read_outcomes(write(tmp_path / "o.jsonl", rows), experts)
    return str(raised.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (math.nan, "is nan, not a finite number"),
        (math.inf, "is inf, not a finite number"),
        (-math.inf, "is -inf, not a finite number"),
        (True, "is True, not a finite number"),
        ("0.5", "is '0.5', not a finite number"),
        ([1], "is [1], not a finite number"),
        (-1.7e308, "is -1.7e+308, not a number up to 1e+100"),
        (None, "is missing"),
    ],
)
@pytest.mark.parametrize("key", ["rewards", "metrics", "costs"])
def test_a_number_that_is_none_names_row_and_expert(tmp_path: Path, key: str, value: object, complaint: str) -> None:
    bad = {**row(query_id="b"), key: {"llama": 1, "vicuna": value}}
    assert refused(tmp_path, [row(), bad]) == (f"o.jsonl:2: the {key.removesuffix('s')} of expert 'vicuna' {complaint}")


def test_a_missing_reward_names_row_and_expert(tmp_path: Path) -> None:
    bad = row(query_id="b", rewards={"llama": 1})
    assert refused(tmp_path, [row(), bad]) == "o.jsonl:2: the reward of expert 'vicuna' is missing"


def test_parquet_names_row_and_expert_too(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([row(), row(query_id="b", rewards={"llama": 1})]), tmp_path / "o.parquet")
    with pytest.raises(DataError, match=r"o\.parquet:row 2: the reward of expert 'vicuna' is missing$"):
        read_outcomes(str(tmp_path / "o.parquet"))


def test_an_expert_that_the_first_row_does_not_have_is_unknown(tmp_path: Path) -> None:
    bad = row(query_id="b", rewards={"llama": 1, "vicuna": 2, "gpt": 3})
    message = refused(tmp_path, [row(), bad])
    assert message.startswith("o.jsonl:2: `rewards` names unknown expert 'gpt'")
    assert "the pool of o.jsonl:1 is ['llama', 'vicuna']" in message


def test_an_expert_that_the_router_does_not_have_is_unknown(tmp_path: Path) -> None:
    message = refused(tmp_path, [row()], ["llama", "gpt"])
    assert message == ("o.jsonl:1: `rewards` names unknown expert 'vicuna'; the pool of the router is ['llama', 'gpt']")
    assert refused(tmp_path, [row()], ["llama", "vicuna", "gpt"]) == (
        "o.jsonl:1: the reward of expert 'gpt' is missing"
    )


@pytest.mark.parametrize("value", [None, {}, [1, 2], 3.5])
def test_rewards_that_are_no_mapping_are_named(tmp_path: Path, value: object) -> None:
    complaint = "`rewards` must be an object that maps each expert to a number"
    assert refused(tmp_path, [row(rewards=value)]) == f"o.jsonl:1: {complaint}"
    assert refused(tmp_path, [row(), row(query_id="b", rewards=value)]) == f"o.jsonl:2: {complaint}"


def test_an_id_that_stands_twice_names_both_rows(tmp_path: Path) -> None:
    assert refused(tmp_path, [row(), row(query_id="b"), row(query="Other words.")]) == (
        f"o.jsonl:3: query_id 'a' is also in {'o.jsonl:1'}"
    )


def test_ids_may_be_whole_numbers(tmp_path: Path) -> None:
    assert read_outcomes(write(tmp_path / "o.jsonl", [row(query_id=10), row(query_id=9)])).query_ids == ["10", "9"]
    assert refused(tmp_path, [row(query_id=7), row(query_id="7")]) == "o.jsonl:2: query_id '7' is also in o.jsonl:1"


@pytest.mark.parametrize("key", ["query_id", "query"])
@pytest.mark.parametrize("value", [None, "", "  ", 7.5, True])
def test_id_and_query_must_be_texts_that_are_not_empty(tmp_path: Path, key: str, value: object) -> None:
    assert refused(tmp_path, [row(), {**row(query_id="b"), key: value}]) == (
        f"o.jsonl:2: `{key}` must be a text that is not empty"
    )


@pytest.mark.parametrize("value", ["validation", "test", "", 1, ["train"]])
def test_a_split_is_train_or_eval(tmp_path: Path, value: object) -> None:
    assert refused(tmp_path, [row(), row(query_id="b", split=value)]) == (
        f"o.jsonl:2: `split` must be train or eval, not {value!r}"
    )


@pytest.mark.parametrize("value", ["maths", [1], {"maths": 1}])
def test_tags_are_a_list_of_texts(tmp_path: Path, value: object) -> None:
    assert refused(tmp_path, [row(tags=value)]) == "o.jsonl:1: `tags` must be a list of texts"


@pytest.mark.parametrize("key", ["metrics", "costs"])
def test_metrics_or_costs_in_some_rows_only_name_a_row_without(tmp_path: Path, key: str) -> None:
    given_in_one = {**row(), key: {"llama": 1, "vicuna": 0}}
    assert refused(tmp_path, [given_in_one, row(query_id="b")]) == (
        f"o.jsonl:2: `{key}` is missing here but given in other rows"
    )
    assert refused(tmp_path, [row(query_id="b"), given_in_one]) == (
        f"o.jsonl:1: `{key}` is missing here but given in other rows"
    )


@pytest.mark.parametrize("rows", [[], ["", "  "]])
def test_a_file_without_rows_is_refused(tmp_path: Path, rows: list[str]) -> None:
    assert refused(tmp_path, rows) == "o.jsonl has no rows"


HUGE = ["1" + "0" * 400, "1" + "0" * 5000]


@pytest.mark.parametrize("number", HUGE, ids=["401 digits", "5001 digits"])
def test_a_whole_number_beyond_all_floats_names_the_row(tmp_path: Path, number: str) -> None:
    line = f'{{"query_id": "b", "query": "Hi.", "rewards": {{"llama": {number}, "vicuna": 1}}}}'
    assert refused(tmp_path, [row(), line]).startswith("o.jsonl:2: ")


@pytest.mark.parametrize("value", [3, ["maths"]])
def test_a_source_must_be_a_text(tmp_path: Path, value: object) -> None:
    assert refused(tmp_path, [row(source=value)]).startswith("o.jsonl:1: `source` must be")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("query", "\ud83d"),
        ("source", "\ud83d"),
        ("tags", ["fine", "\ud83d"]),
        ("responses", {"llama": "\ud83d"}),
        ("rewards", {"llama": 1, "\ud83d": 0}),
    ],
)
def test_half_a_surrogate_pair_is_no_text(tmp_path: Path, key: str, value: object) -> None:
    changed = row(**{key: value})
    changed.pop("metrics", None)
    changed.pop("costs", None)
    assert refused(tmp_path, [changed]) == f"o.jsonl:1: `{key}` holds half a surrogate pair, which is no text"


def test_rankings_are_rewards_of_the_same_reward_models_in_every_row(tmp_path: Path) -> None:
    good = {"ultrarm": {"llama": 1, "vicuna": 2}}
    path = write(tmp_path / "good.jsonl", [row(rankings=good), row(query_id="b", rankings=good)])
    np.testing.assert_array_equal(read_outcomes(path).rankings["ultrarm"], [[1, 2], [1, 2]])
    assert refused(tmp_path, [row(rankings=good), row(query_id="b")]) == (
        "o.jsonl:2: `rankings` must name the same reward models in every row"
    )
    assert refused(tmp_path, [row(rankings={"ultrarm": {"llama": 1}})]) == (
        "o.jsonl:1: the reward by 'ultrarm' of expert 'vicuna' is missing"
    )
    assert refused(tmp_path, [row(rankings=[1])]).startswith("o.jsonl:1: `rankings` must be an object")


def test_experts_are_named_by_texts(tmp_path: Path) -> None:
    rewards = pa.array([[(1, 0.5), (2, 0.7)]], pa.map_(pa.int32(), pa.float64()))
    table = pa.table({"query_id": ["a"], "query": ["Hi."], "rewards": rewards})
    pq.write_table(table, tmp_path / "o.parquet")
    with pytest.raises(DataError, match="`rewards` must be an object that maps each expert to a number"):
        read_outcomes(str(tmp_path / "o.parquet"))


def test_what_responses_are_ranked_by_is_named(tmp_path: Path) -> None:
    grades = row(metrics={"llama": 1, "vicuna": 2})
    assert rankings_of(read_outcomes(write(tmp_path / "o.jsonl", [grades]))) == ("the metrics themselves", {})
    assert rankings_of(read_outcomes(write(tmp_path / "o.jsonl", [row()]))) == ("rewards", {})
    apart = read_outcomes(write(tmp_path / "o.jsonl", [row(metrics={"llama": 0, "vicuna": 2})]))
    assert list(rankings_of(apart)[1]) == ["rewards"]


def test_rewards_are_named_by_the_ranking_that_they_are(tmp_path: Path) -> None:
    rankings = {"skywork": {"llama": 5, "vicuna": 1}, "ultrarm": {"llama": 1, "vicuna": 2}}  # rewards: 1 and 2
    known = read_outcomes(write(tmp_path / "o.jsonl", [row(rankings=rankings, metrics={"llama": 1, "vicuna": 0})]))
    named, ranked = rankings_of(known)
    assert (named, list(ranked)) == ("ultrarm", ["skywork", "ultrarm"])
    without_metrics = read_outcomes(write(tmp_path / "o.jsonl", [row(rankings=rankings)]))
    assert list(rankings_of(without_metrics)[1]) == ["skywork"], "ultrarm is what the report goes by"
    others = read_outcomes(write(tmp_path / "o.jsonl", [row(rankings={"skywork": rankings["skywork"]})]))
    assert (rankings_of(others)[0], list(rankings_of(others)[1])) == ("rewards", ["skywork"])


def test_one_expert_alone_is_nothing_to_route_to(tmp_path: Path) -> None:
    lone = {"query_id": "a", "query": "?", "rewards": {"llama": 1}}
    assert refused(tmp_path, [lone]) == "o.jsonl:1: `rewards` names 'llama' alone; routing needs two experts or more"


def test_a_file_without_splits_was_split_by_hand(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row(query_id=name).items() if name != "split"} for name in "ab"]
    outcomes = read_outcomes(write(tmp_path / "o.jsonl", rows))
    assert of_split(outcomes, "eval", "o.jsonl").query_ids == of_split(outcomes, "train", "o.jsonl").query_ids
    split = read_outcomes(write(tmp_path / "s.jsonl", [rows[0], {**rows[1], "split": "eval"}]))
    assert of_split(split, "eval", "s.jsonl").query_ids == ["b"]
    assert of_split(split, "train", "s.jsonl").query_ids == ["a"]


def test_a_file_of_training_rows_alone_holds_nothing_out(tmp_path: Path) -> None:
    outcomes = read_outcomes(write(tmp_path / "o.jsonl", [row(split="train")]))
    with pytest.raises(DataError, match=r"o\.jsonl has no row whose `split` is eval"):
        of_split(outcomes, "eval", "o.jsonl")
