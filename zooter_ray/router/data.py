"""The tokenised table that a router is distilled from, and how its rows become batches.

Rows of a step follow from (seed, epoch) and are dealt out over the workers, so a run can be repeated, and two
workers see in one step together what one worker sees alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

TOKENS = pa.schema([("token_ids", pa.list_(pa.int32())), ("label", pa.list_(pa.float64())), ("split", pa.string())])


def tokenise(labels: pa.Table, tokenizer: Any, max_length: int, hard: bool = False) -> pa.Table:
    """Rows of TOKENS from the training and validation rows of a table of schemas.LABELS, sorted by query id.

    `hard` takes the expert with the largest reward as the label, the paper's ablation, and leaves out the rows whose
    rewards are all equal.
    """
    rows = labels.filter(pa.compute.is_in(labels["split"], pa.array(["train", "validation"]))).sort_by("query_id")
    if hard:
        rows = rows.filter(rows["has_preference"])
    label = hard_labels(np.array(rows["rewards"].to_pylist())).tolist() if hard else rows["label"]
    encoded = tokenizer(rows["query"].to_pylist(), truncation=True, max_length=max_length)["input_ids"]
    return pa.table({"token_ids": encoded, "label": label, "split": rows["split"]}, schema=TOKENS)


def hard_labels(rewards_QM: np.ndarray) -> np.ndarray:
    """1 for the expert with the largest reward (the first of several), 0 for the others, shape (Q, M)."""
    result: np.ndarray = np.eye(rewards_QM.shape[1])[rewards_QM.argmax(axis=1)]
    return result


@dataclass(frozen=True)
class Batch:
    """One worker's share of a step; `weight_B` is 0 for a row that only keeps the worker in step."""

    input_ids: torch.Tensor  # (B, L)
    attention_mask: torch.Tensor  # (B, L)
    label_BM: torch.Tensor
    weight_B: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(*(tensor.to(device) for tensor in vars(self).values()))


class TokenRows:
    """Rows of one split, in memory."""

    def __init__(self, tokens: pa.Table, split: str, pad_token_id: int) -> None:
        rows = tokens.filter(pa.compute.equal(tokens["split"], split))
        self.token_ids: list[list[int]] = rows["token_ids"].to_pylist()
        self.label_QM = np.array(rows["label"].to_pylist(), dtype=np.float32)
        self.pad_token_id = pad_token_id

    def __len__(self) -> int:
        return len(self.token_ids)

    def batch(self, index: np.ndarray, weight: float = 1.0) -> Batch:
        """The rows of `index` (B,), right-padded to the longest."""
        rows = [self.token_ids[i] for i in index]
        length = max(map(len, rows))
        input_ids = torch.full((len(rows), length), self.pad_token_id, dtype=torch.long)
        attention_mask = torch.zeros((len(rows), length), dtype=torch.long)
        for row, ids in enumerate(rows):
            input_ids[row, : len(ids)] = torch.tensor(ids)
            attention_mask[row, : len(ids)] = 1
        label_BM = torch.from_numpy(self.label_QM[index])
        return Batch(input_ids, attention_mask, label_BM, torch.full((len(rows),), weight))


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Steps that see every row once."""
    return -(-rows // batch_size)


def steps(rows: int, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """Row indices (B,) of each step of an epoch: a permutation of (seed, epoch), cut into batches."""
    order = np.random.default_rng((seed, epoch)).permutation(rows)
    for start in range(0, rows, batch_size):
        yield order[start : start + batch_size]


def share(rows: TokenRows, step: np.ndarray, rank: int, world_size: int) -> Batch:
    """What worker `rank` takes of a step; a worker that gets no row computes one of weight 0, to stay in step."""
    mine = step[rank::world_size]
    return rows.batch(mine) if len(mine) else rows.batch(step[:1], weight=0.0)
