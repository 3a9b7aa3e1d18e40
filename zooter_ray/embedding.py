"""The one embedder: frozen sentence embeddings of queries, for whatever compares queries by meaning."""

from collections.abc import Sequence

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoModel

from zooter_ray.batching import length_buckets
from zooter_ray.errors import ConfigError, one_line
from zooter_ray.package_models import resolve_source
from zooter_ray.tokenizers import load_tokenizer

EMBEDDED_TOKENS = 256  # what all-MiniLM-L6-v2 is meant to read


class Embedder:
    """A pretrained encoder under mean pooling."""

    def __init__(self, source: str, max_length: int = EMBEDDED_TOKENS, batch_size: int = 64) -> None:
        """Load the encoder: a Hugging Face name, a local path, or package:NAME.

        Raises:
            ConfigError: if it is not there, or not whole.
        """
        self.source = source
        self.max_length = max_length
        self.batch_size = batch_size
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self.tokenizer = load_tokenizer(resolve_source(source))
            self.model = AutoModel.from_pretrained(resolve_source(source), dtype=torch.float32).to(self.device).eval()
        except (OSError, ValueError, SafetensorError) as error:
            reason = one_line(error)
            raise ConfigError(f"the embedder {source} cannot be loaded: {reason}") from None

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings (Q, D) of unit length, so that a dot product is the cosine; in the order of the texts."""
        if not texts:
            return np.zeros((0, self.model.config.hidden_size), dtype=np.float32)
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        result = np.zeros((len(encoded), self.model.config.hidden_size), dtype=np.float32)
        for index in length_buckets([len(token_ids) for token_ids in encoded], self.batch_size):
            result[index] = self._embed([encoded[row] for row in index])
        return result

    @torch.inference_mode()
    def _embed(self, token_ids: list[list[int]]) -> np.ndarray:
        batch = self.tokenizer.pad({"input_ids": token_ids}, return_tensors="pt").to(self.device)
        hidden_BLD = self.model(**batch).last_hidden_state
        mean_BD = mean_over_tokens(hidden_BLD, batch["attention_mask"])
        embeddings: np.ndarray = torch.nn.functional.normalize(mean_BD, dim=1).cpu().numpy()
        return embeddings


def mean_over_tokens(hidden_BLD: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
    """Mean (B, D) of the hidden states of the attended tokens."""
    weight_BL1 = mask_BL.unsqueeze(-1).to(hidden_BLD.dtype)
    return (hidden_BLD * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1)
