"""The one predictor: queries in, probabilities over the experts out; for evaluation, batch routing and serving."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer

from zooter_ray.batching import length_buckets
from zooter_ray.errors import ArtifactError
from zooter_ray.router.directory import local_copy, read_card
from zooter_ray.router.model import load_router


class RouterPredictor:
    """A router, loaded and ready."""

    def __init__(self, directory: str | Path, batch_size: int = 64) -> None:
        """Load a router directory, local or at a URI.

        Raises:
            ArtifactError: if it is none.
        """
        with local_copy(directory) as local:
            self.card = read_card(local)
            try:
                tokenizer = AutoTokenizer.from_pretrained(local, truncation_side=self.card.truncation_side)
                model = load_router(local, self.card.pooling, self.card.hidden)
            except (OSError, ValueError, SafetensorError) as error:
                reason = " ".join(str(error).split())[:300]
                raise ArtifactError(f"{directory} is no whole router directory: {reason}") from None
        self.experts = self.card.experts
        self.batch_size = batch_size
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = tokenizer
        self.model = model.to(self.device).eval()

    def __call__(self, queries: Sequence[str]) -> np.ndarray:
        """Probabilities (Q, M), in the order of the queries and of `experts`."""
        if not queries:
            return np.zeros((0, len(self.experts)))
        encoded = self.tokenizer(list(queries), truncation=True, max_length=self.card.max_length)["input_ids"]
        result = np.zeros((len(queries), len(self.experts)))
        for index in length_buckets([len(token_ids) for token_ids in encoded], self.batch_size):
            result[index] = self._probabilities([encoded[row] for row in index])
        return result

    @torch.inference_mode()
    def _probabilities(self, token_ids: list[list[int]]) -> np.ndarray:
        batch = self.tokenizer.pad({"input_ids": token_ids}, return_tensors="pt").to(self.device)
        logits_BM = self.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        probabilities: np.ndarray = logits_BM.double().softmax(dim=1).cpu().numpy()
        return probabilities
