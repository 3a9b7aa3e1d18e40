"""How large a model is: parameters, what a token is multiplied with, and bytes of KV cache, from its shape.

One layer has four attention matrices (queries and outputs are `heads * head_dim` wide, keys and values
`kv_heads * head_dim`) and a feed-forward layer of three matrices (gated) or two; a mixture of experts has that
`experts` times, of which a token meets `active_experts`, and a matrix that chooses them. Biases and positions are left
out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from zooter_ray.artifacts import read_json
from zooter_ray.errors import ConfigError
from zooter_ray.package_models import resolve_source
from zooter_ray.planning.tables import table

BYTES = {"float32": 4.0, "float": 4.0, "fp8": 1.0, "awq": 0.5, "gptq": 0.5}
HALF = 2.0  # bf16 and fp16, and `auto`, since published LLMs come in half precision
ENCODERS = ("bert", "roberta", "xlm-roberta", "deberta", "deberta-v2", "electra", "modernbert")
GATED_ENCODERS = ("modernbert",)
UNGATED_DECODERS = ("gpt2", "gpt_neox", "opt", "phi")


@dataclass(frozen=True)
class ModelShape:
    """What the cost of a transformer follows from."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    vocabulary: int
    kv_heads: int | None = None
    head_dim: int | None = None
    experts: int = 1
    active_experts: int = 1
    gated: bool = True
    tied: bool = False  # the head shares the embedding matrix
    encoder: bool = False  # no causal mask, no language-model head

    @classmethod
    def like_llama(cls, parameters: float) -> Self:
        """A LLaMA-2 of about that many parameters: layers = hidden / 128, 12.3 hidden^2 parameters a layer.

        Its keys and values are not grouped, so that the KV cache is rather too large than too small.
        """
        hidden = max(128, round((128 * parameters / 12.3) ** (1 / 3) / 128) * 128)
        layers = hidden // 128
        per_layer = (parameters - 2 * 32_000 * hidden) / layers
        intermediate = max(1, round((per_layer - 4 * hidden**2) / (3 * hidden)))
        return cls(layers, hidden, intermediate, layers, 32_000)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The shape in a Hugging Face config.json; of a model for several modalities, that of its text part.

        Raises:
            KeyError: for a key that is missing.
        """
        config = config.get("text_config", config)
        kind = config.get("model_type", "")
        encoder = kind in ENCODERS
        names = ("num_experts", "num_local_experts", "n_routed_experts")
        experts = next((config[name] for name in names if config.get(name)), 1)
        return cls(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            intermediate=config.get("moe_intermediate_size") or config["intermediate_size"],
            heads=config["num_attention_heads"],
            vocabulary=config["vocab_size"],
            kv_heads=config.get("num_key_value_heads"),
            head_dim=config.get("head_dim"),
            experts=experts,
            active_experts=config.get("num_experts_per_tok") or 1,
            gated=kind in GATED_ENCODERS if encoder else kind not in UNGATED_DECODERS,
            tied=bool(config.get("tie_word_embeddings", False)),
            encoder=encoder,
        )

    @property
    def width(self) -> int:
        """heads * head_dim: what queries are projected to."""
        return self.heads * (self.head_dim or self.hidden // self.heads)

    @property
    def kv_width(self) -> int:
        """kv_heads * head_dim."""
        return (self.kv_heads or self.heads) * (self.head_dim or self.hidden // self.heads)

    def _layer(self, experts: int) -> int:
        attention = 2 * self.hidden * (self.width + self.kv_width)
        feed_forward = experts * (3 if self.gated else 2) * self.hidden * self.intermediate
        gate = self.hidden * self.experts if self.experts > 1 else 0
        return attention + feed_forward + gate

    @property
    def head(self) -> int:
        """Parameters of the language-model head."""
        return 0 if self.encoder else self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All of them: embeddings, layers, norms, and the head where it is a matrix of its own."""
        norms = (2 * self.layers + 1) * self.hidden
        own_head = 0 if self.tied else self.head
        return self.vocabulary * self.hidden + self.layers * self._layer(self.experts) + norms + own_head

    @property
    def active(self) -> int:
        """Parameters of the layers that one token is multiplied with; embeddings are looked up, not multiplied."""
        return self.layers * self._layer(self.active_experts)

    def kv_bytes(self, bytes_per_value: float) -> float:
        """Bytes of KV cache per token: 2 (keys, values) * layers * kv_heads * head_dim * bytes per value."""
        return 2 * self.layers * self.kv_width * bytes_per_value


def bytes_per_parameter(dtype: str, quantization: str | None = None) -> float:
    """Bytes of one weight."""
    return BYTES.get(quantization or dtype, HALF)


def shape_of(source: str, parameters: Mapping[str, float]) -> ModelShape:
    """A model's shape: from `--parameters`, its directory on this machine, or the table; nothing is downloaded.

    Raises:
        ConfigError: for a model of which nothing is known here, saying how to name its size.
    """
    if source in parameters:
        return ModelShape.like_llama(parameters[source])
    if source in table("models")["names"]:
        return ModelShape(**table("models")["shapes"][table("models")["names"][source]])
    directory = resolve_source(source)
    config = Path(directory) / "config.json"
    if not config.is_file():
        raise ConfigError(
            f"nothing is known here of the model {source}; say how many parameters it has: --parameters {source}=13e9"
        )
    try:
        return ModelShape.from_config(read_json(str(config)))
    except KeyError as error:
        raise ConfigError(
            f"{config} has no {error}; say how many parameters the model has: --parameters {source}=13e9"
        ) from None
