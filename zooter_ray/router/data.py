"""The table that a router is distilled from, and how its rows become batches.

Rows of a step follow from (seed, epoch) and are dealt out over the workers, so a run can be repeated, and two
workers see in one step together what one worker sees alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from zooter_ray.config.training import TrainingConfig
from zooter_ray.outcomes import best_share
from zooter_ray.router.reading import read

TOKENS = pa.schema(
    [
        ("token_ids", pa.list_(pa.int32())),
        ("features", pa.list_(pa.float32())),  # of a frozen encoder; null where the encoder is trained
        ("label", pa.list_(pa.float64())),
        ("value", pa.list_(pa.float64())),  # metrics, else rewards: what a choice of the router is worth
        ("weight", pa.float64()),
        ("source", pa.string()),
        ("split", pa.string()),
    ]
)


def tokenise(labels: pa.Table, tokenizer: Any, config: TrainingConfig) -> pa.Table:
    """Rows of TOKENS from the training and validation rows of a table of schemas.LABELS, sorted by query id.

    Hard labels are the expert with the largest reward, the paper's ablation; several that have it share a row. Rows
    whose rewards are all equal say nothing then, nor where they are masked: training rows are left out, validation rows
    have no weight.
    """
    hard = config.loss == "hard_label"
    splits = ["validation", "train"]
    rows = labels.filter(pa.compute.is_in(labels["split"], pa.array(splits))).sort_by("query_id")
    if hard or config.mask_equal_rewards:
        rows = rows.filter(pa.compute.or_(rows["has_preference"], pa.compute.equal(rows["split"], "validation")))
    if not rows.num_rows:
        return TOKENS.empty_table()
    label_QM = best_share(np.array(rows["rewards"].to_pylist())) if hard else np.array(rows["label"].to_pylist())
    weight_Q = np.ones(rows.num_rows)
    if config.class_balance:
        label_QM, weight_Q = balanced(label_QM, rows["split"].to_numpy() == "train")
    if hard or config.mask_equal_rewards:
        weight_Q = weight_Q * masked_weight(rows)
    columns = {
        "token_ids": read(tokenizer, rows["query"].to_pylist(), config.max_length),
        "features": pa.nulls(rows.num_rows, TOKENS.field("features").type),
        "label": label_QM.tolist(),
        "value": rows["rewards" if labels["metrics"].null_count else "metrics"],
        "weight": weight_Q,
        "source": rows["source"],
        "split": rows["split"],
    }
    return pa.table(columns, schema=TOKENS)


def masked_weight(rows: pa.Table) -> np.ndarray:
    """1 for rows with a preference, else 0 (Q,); validation rows count all the same if none of them has one."""
    weight_Q: np.ndarray = rows["has_preference"].to_numpy().astype(float)
    validates_Q = rows["split"].to_numpy() == "validation"
    if not weight_Q[validates_Q].any():
        weight_Q[validates_Q] = 1.0
    return weight_Q


def balanced(label_QM: np.ndarray, trains_Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (Q, M) and weights (Q,) by which every expert has the same share of all labels of training rows.

    That is cross-entropy with a weight for each class: an expert's part of a label is divided by M times its mean
    label, and what a row then adds up to is its weight, which is 1 in the mean over training rows. Experts without any
    label have none to share.
    """
    if not trains_Q.any():
        return label_QM, np.ones(len(label_QM))
    share_M = label_QM[trains_Q].mean(axis=0)
    held_M = share_M > 0
    part_QM = np.divide(label_QM, held_M.sum() * share_M, out=np.zeros_like(label_QM), where=held_M)
    weight_Q = part_QM.sum(axis=1)
    return np.divide(part_QM, weight_Q[:, None], out=label_QM.copy(), where=weight_Q[:, None] > 0), weight_Q


@dataclass(frozen=True)
class Batch:
    """One worker's share of a step; `weight_B` is 0 for a row that only keeps the worker in step."""

    inputs: dict[str, torch.Tensor]  # of the model: input_ids and attention_mask (B, L), or features (B, D)
    label_BM: torch.Tensor
    weight_B: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        return Batch(inputs, self.label_BM.to(device), self.weight_B.to(device))


class TokenRows:
    """Rows of one split, in memory."""

    def __init__(self, tokens: pa.Table, split: str, pad_token_id: int) -> None:
        rows = tokens.filter(pa.compute.equal(tokens["split"], split))
        self.token_ids: list[list[int]] = rows["token_ids"].to_pylist()
        self.features_QD = None if rows["features"].null_count else np.array(rows["features"].to_pylist(), np.float32)
        self.label_QM = np.array(rows["label"].to_pylist(), dtype=np.float32)
        self.value_QM = np.array(rows["value"].to_pylist())
        self.weight_Q = rows["weight"].to_numpy().astype(np.float32)
        self.sources: list[str] = rows["source"].to_pylist()
        self.lengths = np.array([len(ids) for ids in self.token_ids])
        self.pad_token_id = pad_token_id

    def __len__(self) -> int:
        return len(self.token_ids)

    def batch(self, index: np.ndarray, counts: bool = True) -> Batch:
        """The rows of `index` (B,), with weight 0 if they do not count."""
        weight_B = self.weight_Q[index] if counts else np.zeros(len(index), np.float32)
        return Batch(self._inputs(index), torch.from_numpy(self.label_QM[index]), torch.from_numpy(weight_B))

    def _inputs(self, index: np.ndarray) -> dict[str, torch.Tensor]:
        """What the model reads; tokens are right-padded to the longest row."""
        if self.features_QD is not None:
            return {"features": torch.from_numpy(self.features_QD[index])}
        input_ids = np.full((len(index), self.lengths[index].max()), self.pad_token_id)
        attention_mask = np.arange(input_ids.shape[1]) < self.lengths[index, None]
        input_ids[attention_mask] = np.concatenate([self.token_ids[i] for i in index])
        return {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(attention_mask.astype(np.int64)),
        }


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Steps that see every row once."""
    return -(-rows // batch_size)


def steps(lengths: np.ndarray, batch_size: int, bucket_steps: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """Row indices (B,) of each step of an epoch, rows of like lengths (Q,) together.

    A permutation of (seed, epoch) is cut into buckets of `bucket_steps` steps; each bucket is sorted by length and cut
    into steps, and the steps of all buckets are shuffled.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    buckets = _cut(order, batch_size * bucket_steps)
    found = [step for rows in buckets for step in _cut(rows[np.argsort(lengths[rows], kind="stable")], batch_size)]
    for number in random.permutation(len(found)):
        yield found[number]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def passes(step: np.ndarray, rows_per_pass: int | None, world_size: int) -> Sequence[np.ndarray]:
    """A step cut such that no worker computes more than `rows_per_pass` rows at once."""
    return [step] if rows_per_pass is None else _cut(step, rows_per_pass * world_size)


def share(rows: TokenRows, step: np.ndarray, rank: int, world_size: int) -> Batch:
    """What worker `rank` takes of a step; a worker that gets no row computes one of weight 0, to stay in step."""
    mine = step[rank::world_size]
    return rows.batch(mine) if len(mine) else rows.batch(step[:1], counts=False)
