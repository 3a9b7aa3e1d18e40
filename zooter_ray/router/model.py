"""The router's model: a Hugging Face encoder with a head over the experts, by the encoder's own pooling or the mean.

`pooling: native` is transformers' class for sequence classification of that architecture. `pooling: mean` is
MeanPooledRouter below. Both are called the same way, `model(input_ids=..., attention_mask=...).logits`, and saved the
same way.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput

from zooter_ray.batching import length_buckets
from zooter_ray.config.training import Side, TrainingConfig
from zooter_ray.embedding import mean_over_tokens
from zooter_ray.errors import ConfigError, one_line
from zooter_ray.package_models import resolve_source
from zooter_ray.positions import positions_of
from zooter_ray.tokenizers import load_tokenizer

WEIGHTS_FILE = "model.safetensors"
LEAST_PROBABILITY = 1e-4  # of an expert that no label prefers: its logit must stay one that can be learned back


class Head(nn.Module):
    """Logits (B, M) from pooled states (B, D): one linear layer, or two with a GELU between them."""

    base_model_prefix = "encoder"  # it has none: all its parameters are the head's

    def __init__(self, config: Any) -> None:
        """Fresh weights, drawn as transformers draws those of its own heads."""
        super().__init__()
        hidden, dropout = config.router_head["hidden"], config.router_head["dropout"]
        width = config.hidden_size if hidden is None else hidden
        first = [] if hidden is None else [nn.Linear(config.hidden_size, hidden), nn.GELU()]
        self.layers = nn.Sequential(*first, nn.Dropout(dropout), nn.Linear(width, config.num_labels))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=getattr(config, "initializer_range", 0.02))
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> SequenceClassifierOutput:
        """Logits (B, M) of pooled states (B, D)."""
        return SequenceClassifierOutput(logits=self.layers(features))


class MeanPooledRouter(nn.Module):
    """An encoder, the mean of its hidden states over the attended tokens, and a head.

    The encoder bears the name that its architecture has in checkpoints, so that `save_pretrained` writes one that plain
    transformers reads the encoder from. The settings of the head stand in config.json under `router_head`.
    """

    def __init__(self, encoder: Any) -> None:
        """A fresh head, as `encoder.config` says (`num_labels` and `router_head`)."""
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None  # BERT's own pooling; parameters without a gradient would stop training in parallel
        self.config = encoder.config
        self.base_model_prefix: str = encoder.base_model_prefix
        self.add_module(self.base_model_prefix, encoder)
        self.head = Head(encoder.config)

    def pool(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Mean (B, D) of the last hidden states over the attended tokens (B, L)."""
        encoder = self.get_submodule(self.base_model_prefix)
        hidden_BLD = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return mean_over_tokens(hidden_BLD, attention_mask)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SequenceClassifierOutput:
        """Logits (B, M) of token ids (B, L) under a mask (B, L)."""
        output: SequenceClassifierOutput = self.head(self.pool(input_ids, attention_mask))
        return output

    def save_pretrained(self, directory: str | Path) -> None:
        """Write config.json and model.safetensors."""
        self.config.save_pretrained(directory)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(weights, Path(directory) / WEIGHTS_FILE, metadata={"format": "pt"})


def load_mean_pooled(directory: str | Path) -> MeanPooledRouter:
    """What `MeanPooledRouter.save_pretrained` wrote.

    Raises:
        OSError, ValueError, RuntimeError, SafetensorError: for what is missing, cut short or of another shape.
    """
    config = AutoConfig.from_pretrained(directory)
    if not hasattr(config, "router_head"):
        raise ValueError("config.json has no `router_head`, so this is no mean-pooled router")
    model = MeanPooledRouter(AutoModel.from_config(config, dtype=torch.float32))
    model.load_state_dict(load_file(Path(directory) / WEIGHTS_FILE))
    return model


def new_router(config: TrainingConfig, experts: Sequence[str]) -> Any:
    """A model whose classes are the experts, in order; a head that the backbone lacks starts from the seed.

    With native pooling, a backbone that is itself a router of the same experts goes on with its head, and a classifier
    over anything else gets a fresh last layer; with mean pooling the head is always fresh.

    Raises:
        ConfigError: if the backbone is not there, not whole, cannot read as many tokens as the router shall, or has no
            place for `caution`.
    """
    torch.manual_seed(config.seed)
    try:
        router = _from_backbone(config, experts)
    except (OSError, ValueError, SafetensorError) as error:
        raise _cannot_be_loaded(config.backbone, error) from None
    positions = positions_of(router)
    if positions is not None and config.max_length > positions:
        raise ConfigError(
            f"training.max_length is {config.max_length}, but the backbone {config.backbone} reads {positions} "
            "tokens at most"
        )
    if config.caution is not None and last_linear(router).bias is None:
        raise ConfigError(f"training.caution must be null: the head of {type(router).__name__} has no bias to hold it")
    return router


def _cannot_be_loaded(backbone: str, error: Exception) -> ConfigError:
    return ConfigError(f"the router's backbone {backbone} cannot be loaded: {one_line(error)}")


def _from_backbone(config: TrainingConfig, experts: Sequence[str]) -> Any:
    source = resolve_source(config.backbone)
    known = AutoConfig.from_pretrained(source)
    settings = AutoConfig.from_pretrained(
        source,
        num_labels=len(experts),
        id2label=dict(enumerate(experts)),
        label2id={expert: index for index, expert in enumerate(experts)},
        problem_type="single_label_classification",
    )
    if config.layers is not None:
        settings.num_hidden_layers = min(config.layers, settings.num_hidden_layers)
        if getattr(settings, "layer_types", None):  # of ModernBERT, say: one for each layer
            settings.layer_types = settings.layer_types[: settings.num_hidden_layers]
    if config.pooling == "mean":
        dropout = getattr(settings, "hidden_dropout_prob", 0.0)
        settings.router_head = {"hidden": config.hidden, "dropout": dropout}
        return MeanPooledRouter(AutoModel.from_pretrained(source, config=settings, dtype=torch.float32))
    router = AutoModelForSequenceClassification.from_pretrained(
        source, config=settings, dtype=torch.float32, ignore_mismatched_sizes=True
    )
    is_classifier = any(name.endswith("ForSequenceClassification") for name in known.architectures or ())
    if is_classifier and list(known.id2label.values()) != list(experts):
        last = last_linear(router)
        nn.init.normal_(last.weight, std=getattr(settings, "initializer_range", 0.02))
        if last.bias is not None:
            nn.init.zeros_(last.bias)
    return router


def trained_part(router: Any, frozen: bool) -> nn.Module:
    """What distillation changes of a router: all of it, or its head alone."""
    part: nn.Module = router.head if frozen else router
    return part


def parameters_of(router: Any) -> int:
    """Parameters without the embedding matrix, as the paper counts them."""
    embeddings: int = sum(p.numel() for m in router.modules() if isinstance(m, nn.Embedding) for p in m.parameters())
    whole: int = sum(parameter.numel() for parameter in router.parameters())
    return whole - embeddings


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


def start_at(router: Any, probability_M: np.ndarray) -> None:
    """Give these probabilities to every query: weights of 0 in the last layer, their logarithms as its bias."""
    layer = last_linear(router)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        with torch.no_grad():
            layer.bias.copy_(torch.from_numpy(np.log(np.maximum(probability_M, LEAST_PROBABILITY))))


def fold_bias(router: Any, expert: int, bias: float) -> None:
    """Add to the logit of one expert (its number), by adding to the last linear layer's bias."""
    with torch.no_grad():
        last_linear(router).bias[expert] += bias


def fold_temperature(router: Any, temperature: float) -> None:
    """Divide the logits by a temperature, by dividing the last linear layer."""
    layer = last_linear(router)
    with torch.no_grad():
        layer.weight.div_(temperature)
        if layer.bias is not None:
            layer.bias.div_(temperature)


def last_linear(model: nn.Module) -> nn.Linear:
    """The layer that makes the logits, of a router with either pooling.

    Raises:
        ConfigError: if the architecture's head ends in no linear layer over the classes.
    """
    classes = model.config.num_labels  # type: ignore[union-attr]
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear) and layer.out_features == classes]
    if not layers:
        raise ConfigError(f"the head of {type(model).__name__} has no linear layer over {classes} classes at its end")
    return layers[-1]


def new_tokenizer(backbone: str, truncation_side: Side = "right") -> Any:
    """The backbone's tokenizer; it cuts long queries on this side, as the predictor does.

    Raises:
        ConfigError: if it is not there, or not whole.
    """
    try:
        return load_tokenizer(resolve_source(backbone), truncation_side)
    except (OSError, ValueError) as error:
        raise _cannot_be_loaded(backbone, error) from None
