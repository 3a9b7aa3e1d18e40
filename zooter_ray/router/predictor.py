"""The one predictor: queries in, probabilities over the experts out; for evaluation, batch routing and serving.

Where there is a GPU, PyTorch computes them; else ONNX Runtime, if the directory has a `router.onnx`: it is as
fast or faster for single queries and for batches, and equal to 1e-5 (benchmarks/prediction.py measures both).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForSequenceClassification

from zooter_ray.batching import length_buckets
from zooter_ray.errors import ArtifactError, one_line
from zooter_ray.router.directory import RouterCard, local_copy, read_card
from zooter_ray.router.model import WEIGHTS_FILE, load_mean_pooled
from zooter_ray.router.reading import read
from zooter_ray.tokenizers import load_tokenizer

Logits = Callable[[np.ndarray, np.ndarray], np.ndarray]  # token ids and mask, int64 (B, L) -> float32 (B, M)


class RouterPredictor:
    """A router, loaded and ready."""

    def __init__(self, directory: str | Path, batch_size: int = 64) -> None:
        """Load a router directory, local or at a URI.

        Raises:
            ArtifactError: if it is none, or a part of it is missing or damaged.
        """
        with local_copy(directory) as local:
            self.card = read_card(local)
            try:
                self.tokenizer = load_tokenizer(local, self.card.truncation_side)
                self.logits = load_logits(local, self.card)
            except (OSError, ValueError, RuntimeError, SafetensorError) as error:
                reason = one_line(error)
                raise ArtifactError(f"{directory} is no whole router directory: {reason}") from None
        self.experts = self.card.experts
        self.batch_size = batch_size

    def __call__(self, queries: Sequence[str]) -> np.ndarray:
        """Probabilities (Q, M), in the order of the queries and of `experts`."""
        result = np.zeros((len(queries), len(self.experts)))
        encoded = read(self.tokenizer, queries, self.card.max_length)
        for index in length_buckets([len(token_ids) for token_ids in encoded], self.batch_size):
            result[index] = self._probabilities([encoded[row] for row in index])
        return result

    def _probabilities(self, token_ids: list[list[int]]) -> np.ndarray:
        batch = self.tokenizer.pad({"input_ids": token_ids}, return_tensors="np")
        logits_BM = self.logits(batch["input_ids"], batch["attention_mask"])
        probabilities: np.ndarray = torch.from_numpy(logits_BM).double().softmax(dim=1).numpy()
        return probabilities


def load_logits(directory: Path, card: RouterCard) -> Logits:
    """The fastest way to a router's logits on this machine.

    Raises:
        OSError, ValueError, RuntimeError, SafetensorError: if what it needs is missing or damaged.
    """
    with safe_open(directory / WEIGHTS_FILE, "pt") as weights:  # damage is noticed whichever file is used
        names = weights.keys()
        shapes = [weights.get_slice(name).get_shape() for name in names if "embeddings" not in name]
    if not any(shape[:1] == [len(card.experts)] for shape in shapes):
        raise ValueError(f"{WEIGHTS_FILE} has no layer of {len(card.experts)} classes; it is of another router")
    if torch.cuda.is_available() or card.onnx is None:
        return torch_logits(directory, card.pooling)
    return onnx_logits(directory / card.onnx["file"], len(card.experts))


def onnx_logits(path: Path, experts: int) -> Logits:
    """Logits by ONNX Runtime; see load_logits."""
    from zooter_ray.router.onnx_session import OnnxSession

    session = OnnxSession(path)
    if session.classes != experts:
        raise ValueError(f"{path.name} has {session.classes} classes, not {experts}; it is of another router")
    return session


def torch_logits(directory: Path, pooling: str) -> Logits:
    """Logits by PyTorch, on a GPU if there is one; see load_logits."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if pooling == "mean":
        model: Any = load_mean_pooled(directory)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32)
    model = model.to(device).eval()

    @torch.inference_mode()
    def logits(input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        ids, mask = (torch.from_numpy(array).to(device) for array in (input_ids, attention_mask))
        logits_BM: np.ndarray = model(input_ids=ids, attention_mask=mask).logits.float().cpu().numpy()
        return logits_BM

    return logits
