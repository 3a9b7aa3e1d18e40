"""From labelled queries to batches, for one worker and for several."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_models import encoder_tokenizer
from zooter_ray.config.training import TrainingConfig
from zooter_ray.router.data import (
    TOKENS,
    TokenRows,
    balanced,
    passes,
    share,
    steps,
    steps_per_epoch,
    tokenise,
)
from zooter_ray.schemas import LABELS

PAD = 0


def token_table(lengths: list[int], split: str = "train") -> pa.Table:
    """Row n has n + 10 as all of its tokens and n in its label."""
    rows = [
        {
            "token_ids": [row + 10] * length,
            "label": [float(row), 0.5],
            "value": [1.0, 0.0],
            "weight": 1.0,
            "source": "all",
            "split": split,
        }
        for row, length in enumerate(lengths)
    ]
    return pa.Table.from_pylist(rows, schema=TOKENS)


def token_rows(lengths: list[int]) -> TokenRows:
    return TokenRows(token_table(lengths), "train", PAD)


# The table


def label_table(*rows: tuple[str, str, str], **changed: Any) -> pa.Table:
    filled = [
        {
            "query_id": query_id,
            "query": query,
            "source": "all",
            "tags": [],
            "split": split,
            "rewards": [1.0, 0.0],
            "label": [0.75, 0.25],
            "has_preference": True,
            **changed,
        }
        for query_id, query, split in rows
    ]
    return pa.Table.from_pylist(filled, schema=LABELS)


def test_training_and_validation_rows_are_tokenised_in_the_order_of_their_ids_and_others_are_left_out() -> None:
    tokenizer = encoder_tokenizer()
    table = tokenise(
        label_table(
            ("c", "red apple", "train"),
            ("b", "secret plum", "eval"),
            ("a", "blue plum", "validation"),
        ),
        tokenizer,
        TrainingConfig(max_length=64),
    )
    assert table.schema == TOKENS
    assert table["split"].to_pylist() == ["validation", "train"]
    assert table["token_ids"].to_pylist() == [tokenizer("blue plum")["input_ids"], tokenizer("red apple")["input_ids"]]
    assert table["label"].to_pylist() == [[0.75, 0.25]] * 2


def test_the_order_of_the_labels_does_not_matter() -> None:
    rows = [(f"q{row}", f"apple {row}", "train") for row in range(5)]
    config = TrainingConfig(max_length=64)
    assert tokenise(label_table(*rows), encoder_tokenizer(), config).equals(
        tokenise(label_table(*rows[::-1]), encoder_tokenizer(), config)
    )


def test_a_query_is_cut_to_the_tokens_that_the_router_reads() -> None:
    tokenizer = encoder_tokenizer()
    table = tokenise(label_table(("a", "red apple " * 20, "train")), tokenizer, TrainingConfig(max_length=8))
    (ids,) = table["token_ids"].to_pylist()
    assert tokenizer.decode(ids) == "[CLS] red apple red apple red apple [SEP]"


def test_a_hard_label_is_the_largest_reward_and_shared_where_several_have_it() -> None:
    rows = pa.concat_tables(
        [
            label_table(("a", "red plum", "train"), rewards=[3.0, -1.0, 0.0], label=[0.1, 0.2, 0.7]),
            label_table(("b", "red plum", "train"), rewards=[1.0, 1.0, 0.0], label=[0.1, 0.2, 0.7]),
        ]
    )
    table = tokenise(rows, encoder_tokenizer(), TrainingConfig(max_length=64, loss="hard_label"))
    assert table["label"].to_pylist() == [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]


def test_rows_are_those_of_one_split() -> None:
    table = pa.concat_tables([token_table([1, 2]), token_table([3], "validation")])
    assert len(TokenRows(table, "train", PAD)) == 2
    assert TokenRows(table, "validation", PAD).token_ids == [[10, 10, 10]]
    assert len(TokenRows(table, "eval", PAD)) == 0


# Batches


def test_a_batch_is_padded_on_the_right_to_its_longest_row() -> None:
    batch = token_rows([1, 3, 2, 9]).batch(np.array([2, 0, 1]))
    assert batch.inputs["input_ids"].tolist() == [[12, 12, PAD], [10, PAD, PAD], [11, 11, 11]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 0], [1, 0, 0], [1, 1, 1]]
    assert batch.label_BM.tolist() == [[2.0, 0.5], [0.0, 0.5], [1.0, 0.5]]
    assert batch.weight_B.tolist() == [1.0, 1.0, 1.0]


def test_a_batch_moves_to_a_device_as_a_whole() -> None:
    moved = token_rows([1, 3]).batch(np.array([0, 1])).to(torch.device("meta"))
    assert {t.device.type for t in (*moved.inputs.values(), moved.label_BM, moved.weight_B)} == {"meta"}


def lengths_of(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(1, 50, rows)


@settings(deadline=None)  # the machine may be busy
@given(
    rows=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    bucket_steps=st.integers(1, 4),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 5),
)
def test_the_steps_of_an_epoch_cover_every_row_once(
    rows: int, batch_size: int, bucket_steps: int, seed: int, epoch: int
) -> None:
    found = list(steps(lengths_of(rows), batch_size, bucket_steps, seed, epoch))
    assert sorted(np.concatenate(found).tolist()) == list(range(rows))
    assert len(found) == steps_per_epoch(rows, batch_size)
    assert sorted(map(len, found), reverse=True)[: rows // batch_size] == [batch_size] * (rows // batch_size)


def test_no_rows_make_no_steps() -> None:
    assert list(steps(np.zeros(0, int), 4, 1, seed=0, epoch=0)) == []
    assert steps_per_epoch(0, 4) == 0


def test_the_order_of_rows_follows_from_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(list(steps(lengths_of(50), 8, 2, seed, epoch))).tolist()

    orders = {(seed, epoch): order(seed, epoch) for seed in range(3) for epoch in range(3)}
    assert orders == {key: order(*key) for key in orders}
    assert len({tuple(found) for found in orders.values()}) == 9


def test_rows_of_like_lengths_share_a_step() -> None:
    lengths = np.array([5, 90, 7, 80, 6, 100, 8, 70])
    (one,) = (list(steps(lengths, 4, bucket_steps=2, seed=0, epoch=0)),)
    assert sorted(sorted(lengths[step].tolist()) for step in one) == [[5, 6, 7, 8], [70, 80, 90, 100]]
    assert [len(step) for step in one] == [4, 4]


# Weights


def test_rows_without_a_preference_are_left_out_of_training_and_weigh_nothing_in_validation() -> None:
    rows = label_table(("a", "apple", "train"), ("b", "plum", "validation"), has_preference=False)
    one = pa.concat_tables([rows, label_table(("c", "pear", "validation"))])
    masked = tokenise(one, encoder_tokenizer(), TrainingConfig())
    assert (masked["split"].to_pylist(), masked["weight"].to_pylist()) == (["validation"] * 2, [0.0, 1.0])
    alone = tokenise(rows, encoder_tokenizer(), TrainingConfig())
    assert alone["weight"].to_pylist() == [1.0], "a loss to choose an epoch by is needed"
    kept = tokenise(rows, encoder_tokenizer(), TrainingConfig(mask_equal_rewards=False))
    assert (kept["split"].to_pylist(), kept["weight"].to_pylist()) == (["train", "validation"], [1.0, 1.0])


def test_a_choice_is_worth_its_metric_and_its_reward_where_there_is_none() -> None:
    row = ("a", "apple", "train")
    assert tokenise(label_table(row), encoder_tokenizer(), TrainingConfig())["value"].to_pylist() == [[1.0, 0.0]]
    graded = label_table(row, metrics=[0.25, 0.5])
    assert tokenise(graded, encoder_tokenizer(), TrainingConfig())["value"].to_pylist() == [[0.25, 0.5]]


def test_the_shares_of_experts_are_those_of_training_rows() -> None:
    label_QM = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    same_QM, weight_Q = balanced(label_QM, np.array([True, True, False]))
    assert (same_QM.tolist(), weight_Q.tolist()) == (label_QM.tolist(), [1.0, 1.0, 1.0])


def test_balanced_hard_labels_stay_and_rare_ones_weigh_more() -> None:
    label_QM = np.array([[1.0, 0.0, 0.0]] * 3 + [[0.0, 1.0, 0.0]])
    same_QM, weight_Q = balanced(label_QM, np.ones(4, bool))
    assert same_QM.tolist() == label_QM.tolist()
    assert weight_Q.tolist() == pytest.approx([2 / 3] * 3 + [2.0])  # 1 / (2 * 3/4) and 1 / (2 * 1/4)


def test_balanced_soft_labels_give_every_expert_the_same_share() -> None:
    """Shares of 0.7 and 0.3: a label of (0.8, 0.2) becomes parts of 0.8/1.4 and 0.2/0.6, which are 12 to 7."""
    label_QM, weight_Q = balanced(np.array([[0.8, 0.2], [0.6, 0.4]]), np.ones(2, bool))
    assert label_QM[0].tolist() == pytest.approx([12 / 19, 7 / 19])
    assert weight_Q.tolist() == pytest.approx([0.8 / 1.4 + 0.2 / 0.6, 0.6 / 1.4 + 0.4 / 0.6])
    assert (weight_Q @ label_QM).tolist() == pytest.approx([1.0, 1.0])
    assert weight_Q.mean() == pytest.approx(1.0)


# Shares


@settings(deadline=None)  # the machine may be busy
@given(rows=st.integers(1, 20), batch_size=st.integers(1, 8), world_size=st.integers(1, 5))
def test_the_shares_of_a_step_are_disjoint_and_complete(rows: int, batch_size: int, world_size: int) -> None:
    data = token_rows([1] * rows)
    for step in steps(data.lengths, batch_size, 2, seed=0, epoch=0):
        batches = [share(data, step, rank, world_size) for rank in range(world_size)]
        counted = [
            int(label[0])
            for batch in batches
            for label, weight in zip(batch.label_BM.tolist(), batch.weight_B.tolist(), strict=True)
            if weight
        ]
        assert sorted(counted) == sorted(step.tolist())
        assert {weight for batch in batches for weight in batch.weight_B.tolist()} <= {0.0, 1.0}


def test_a_worker_that_gets_no_row_computes_one_of_weight_zero() -> None:
    data = token_rows([1, 2, 3])
    step = np.array([2, 0])
    assert [share(data, step, rank, 3).weight_B.tolist() for rank in range(3)] == [[1.0], [1.0], [0.0]]
    idle = share(data, step, 2, 3)
    assert idle.inputs["input_ids"].tolist() == [[12, 12, 12]]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_shares_are_dealt_out_as_evenly_as_can_be(world_size: int) -> None:
    data = token_rows([1] * 8)
    sizes = [len(share(data, np.arange(8), rank, world_size).label_BM) for rank in range(world_size)]
    assert sum(sizes) == 8
    assert max(sizes) - min(sizes) <= 1


def test_a_step_is_cut_into_passes_that_no_worker_finds_too_large() -> None:
    step = np.arange(10)
    assert [part.tolist() for part in passes(step, None, 2)] == [step.tolist()]
    assert [part.tolist() for part in passes(step, 2, 2)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_frozen_encoders_features_are_the_input() -> None:
    table = token_table([2, 3]).to_pylist()
    rows = TokenRows(pa.Table.from_pylist([{**row, "features": [1.5, 2.5]} for row in table], TOKENS), "train", PAD)
    assert rows.batch(np.array([1])).inputs["features"].tolist() == [[1.5, 2.5]]
