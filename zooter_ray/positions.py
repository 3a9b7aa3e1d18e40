"""How long a sequence may be: encoders with absolute positions end where these do."""

from typing import Any

from torch import nn


def positions_of(model: Any) -> int | None:
    """How many tokens an encoder has positions for; None if its positions are relative.

    RoBERTa and its kin count from behind the padding token's id.
    """
    for name, layer in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(layer, nn.Embedding):
            first = 0 if layer.padding_idx is None else layer.padding_idx + 1
            return int(layer.num_embeddings) - first
    return None
