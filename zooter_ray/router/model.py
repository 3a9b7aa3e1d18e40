"""The router's model: a Hugging Face encoder with a head over the experts, by the encoder's own pooling or the mean.

`pooling: native` is transformers' class for sequence classification of that architecture. `pooling: mean` is
MeanPooledRouter below. Both are called the same way, `model(input_ids=..., attention_mask=...).logits`, and saved the
same way.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers.modeling_outputs import SequenceClassifierOutput

from zooter_ray.errors import ConfigError
from zooter_ray.package_models import resolve_source

WEIGHTS_FILE = "model.safetensors"
TRUNCATION_SIDE: Literal["left", "right"] = "right"

Pooling = Literal["native", "mean"]
Head = Literal["linear", "mlp"]
Side = Literal["left", "right"]


class MeanPooledRouter(nn.Module):
    """An encoder, the mean of its hidden states over the attended tokens, and a head of one or two layers.

    The encoder bears the name that its architecture has in checkpoints, so that `save_pretrained` writes one that plain
    transformers reads the encoder from. The settings of the head stand in config.json under `router_head`.
    """

    def __init__(self, encoder: Any) -> None:
        """A fresh head, as `encoder.config` says (`num_labels` and `router_head`)."""
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None  # BERT's own pooling; parameters without a gradient would stop training in parallel
        self.config = encoder.config
        self.encoder_name: str = encoder.base_model_prefix
        self.add_module(self.encoder_name, encoder)
        self.head = _new_head(encoder.config)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SequenceClassifierOutput:
        """Logits (B, M) of token ids (B, L) under a mask (B, L)."""
        encoder = self.get_submodule(self.encoder_name)
        hidden_BLD = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weight_BL1 = attention_mask.unsqueeze(-1).to(hidden_BLD.dtype)
        pooled_BD = (hidden_BLD * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1)
        if self.config.router_head["normalize"]:
            pooled_BD = nn.functional.normalize(pooled_BD, dim=1)
        return SequenceClassifierOutput(logits=self.head(pooled_BD))

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


def new_router(
    backbone: str,
    experts: Sequence[str],
    seed: int,
    pooling: Pooling = "native",
    head: Head = "linear",
    hidden: int = 256,
    dropout: float = 0.1,
    normalize: bool = False,
) -> Any:
    """A model whose classes are the experts, in order; a head that the backbone lacks starts from `seed`.

    With native pooling, a backbone that is itself a classifier over as many classes (a router, say) goes on with its
    head, and one of another size gets a fresh one; the head is the one that the architecture has. With mean pooling
    the head is always fresh.

    Args:
        backbone: Hugging Face name, local path, or package:NAME.
        experts: class names, in order.
        seed: of the head's weights.
        pooling: that of transformers' own class, or the mean over attended tokens.
        head: for mean pooling: one linear layer, or two with a GELU and dropout between them.
        hidden: units between the two layers of an mlp.
        dropout: share of an mlp's hidden units that a training step drops.
        normalize: whether a mean-pooled vector is scaled to unit length before the head.

    Raises:
        ConfigError: if settings of the mean-pooled head are given with native pooling.
    """
    torch.manual_seed(seed)
    classes = {
        "num_labels": len(experts),
        "id2label": dict(enumerate(experts)),
        "label2id": {expert: index for index, expert in enumerate(experts)},
        "problem_type": "single_label_classification",
    }
    source = resolve_source(backbone)
    if pooling == "mean":
        encoder = AutoModel.from_pretrained(source, dtype=torch.float32)
        settings = {"head": head, "hidden": hidden, "dropout": dropout, "normalize": normalize}
        encoder.config.update({**classes, "router_head": settings})
        return MeanPooledRouter(encoder)
    if head != "linear" or normalize:
        raise ConfigError(
            "an mlp head and a normalized vector need `pooling: mean`; native pooling brings its own head"
        )
    return AutoModelForSequenceClassification.from_pretrained(
        source, dtype=torch.float32, ignore_mismatched_sizes=True, **classes
    )


def _new_head(config: Any) -> nn.Module:
    """A head whose weights are drawn as transformers draws those of its own heads."""
    settings, width = config.router_head, config.hidden_size
    if settings["head"] == "linear":
        head: nn.Module = nn.Linear(width, config.num_labels)
    else:
        head = nn.Sequential(
            nn.Linear(width, settings["hidden"]),
            nn.GELU(),
            nn.Dropout(settings["dropout"]),
            nn.Linear(settings["hidden"], config.num_labels),
        )
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=getattr(config, "initializer_range", 0.02))
            nn.init.zeros_(layer.bias)
    return head


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


def new_tokenizer(backbone: str, truncation_side: Side = TRUNCATION_SIDE) -> Any:
    """The backbone's tokenizer; it cuts long queries on this side, as the predictor does."""
    return AutoTokenizer.from_pretrained(resolve_source(backbone), truncation_side=truncation_side)
