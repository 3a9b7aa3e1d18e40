"""The router's model: a Hugging Face encoder with a classification head over the experts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers.modeling_outputs import SequenceClassifierOutput

from zooter_ray.batching import length_buckets
from zooter_ray.config.training import TrainingConfig
from zooter_ray.package_models import resolve_source

HEAD_FILE = "head.safetensors"


class Head(nn.Module):
    """Logits (B, M) from pooled states (B, D): one linear layer, or two."""

    base_model_prefix = "encoder"  # which it has not: all of it is head

    def __init__(self, size: int, experts: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        before = [] if hidden is None else [nn.Linear(size, hidden), nn.GELU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(nn.Dropout(dropout), *before, nn.Linear(hidden or size, experts))

    def forward(self, features: Tensor) -> SequenceClassifierOutput:
        """Logits (B, M) from pooled states (B, D)."""
        return SequenceClassifierOutput(logits=self.layers(features))


class MeanPooledRouter(nn.Module):
    """An encoder whose last states are averaged over a query's tokens, and a head."""

    base_model_prefix = "encoder"

    def __init__(self, encoder: Any, hidden: int | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config = encoder.config
        self.head = Head(config.hidden_size, config.num_labels, hidden, getattr(config, "hidden_dropout_prob", 0.0))

    def pool(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Mean of the last states over the tokens of each query, (B, D)."""
        hidden_BLD = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weight_BL1 = attention_mask.unsqueeze(-1).to(hidden_BLD.dtype)
        mean_BD: Tensor = (hidden_BLD * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1)
        return mean_BD

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SequenceClassifierOutput:
        """Logits (B, M) from right-padded tokens (B, L)."""
        output: SequenceClassifierOutput = self.head(self.pool(input_ids, attention_mask))
        return output

    def num_parameters(self, exclude_embeddings: bool = False) -> int:
        """Parameters of encoder and head, as transformers counts them."""
        head = sum(parameter.numel() for parameter in self.head.parameters())
        return int(self.encoder.num_parameters(exclude_embeddings=exclude_embeddings)) + head

    def save_pretrained(self, directory: str | Path) -> None:
        """The encoder as a Hugging Face checkpoint, and the head beside it."""
        self.encoder.save_pretrained(directory)
        save_model(self.head, str(Path(directory) / HEAD_FILE))


def new_router(config: TrainingConfig, experts: Sequence[str]) -> Any:
    """A model whose classes are the experts, in order; a head that the backbone lacks starts from the seed.

    A backbone that is itself a classifier over as many classes (a router, say) goes on with its head; one of another
    size gets a fresh one.
    """
    torch.manual_seed(config.seed)
    source = resolve_source(config.backbone)
    settings = AutoConfig.from_pretrained(
        source,
        num_labels=len(experts),
        id2label=dict(enumerate(experts)),
        label2id={expert: index for index, expert in enumerate(experts)},
        problem_type="single_label_classification",
        **({} if config.layers is None else {"num_hidden_layers": config.layers}),
    )
    if config.pooling == "mean":
        encoder = AutoModel.from_pretrained(source, config=settings, dtype=torch.float32)
        return MeanPooledRouter(encoder, config.hidden)
    return AutoModelForSequenceClassification.from_pretrained(
        source, config=settings, dtype=torch.float32, ignore_mismatched_sizes=True
    )


def trained_part(router: Any, config: TrainingConfig) -> nn.Module:
    """What distillation changes of a router: all of it, or its head alone."""
    part: nn.Module = router.head if config.frozen else router
    return part


def load_router(directory: str | Path, pooling: str, hidden: int | None) -> Any:
    """The model of a router directory."""
    if pooling == "native":
        return AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32)
    router = MeanPooledRouter(AutoModel.from_pretrained(directory, dtype=torch.float32), hidden)
    load_model(router.head, Path(directory) / HEAD_FILE)
    return router


def new_tokenizer(backbone: str, truncation_side: str) -> Any:
    """The backbone's tokenizer, which cuts long queries as the predictor does."""
    return AutoTokenizer.from_pretrained(resolve_source(backbone), truncation_side=truncation_side)


@torch.inference_mode()
def pooled(router: MeanPooledRouter, token_ids: list[list[int]], pad_token_id: int, batch_size: int = 64) -> np.ndarray:
    """Pooled states (Q, D) of tokenised queries, in their order."""
    result = np.zeros((len(token_ids), router.config.hidden_size), dtype=np.float32)
    device = next(router.parameters()).device
    for index in length_buckets([len(ids) for ids in token_ids], batch_size):
        rows = [torch.tensor(token_ids[row], device=device) for row in index]
        input_ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_token_id)
        mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        result[index] = router.pool(input_ids, mask).float().cpu().numpy()
    return result


def fold_temperature(router: Any, temperature: float) -> None:
    """Divide the logits by a temperature, by dividing the last linear layer."""
    layer = last_linear(router)
    with torch.no_grad():
        layer.weight.div_(temperature)
        if layer.bias is not None:
            layer.bias.div_(temperature)


def last_linear(router: Any) -> nn.Linear:
    """The layer that gives the logits: the last linear one with as many outputs as there are experts."""
    layers = [m for m in router.modules() if isinstance(m, nn.Linear) and m.out_features == router.config.num_labels]
    return layers[-1]
