"""A router as `router.onnx`: what ONNX Runtime needs to route, and what any other program can route with.

PyTorch has two exporters. The one used here traces the model: it takes a second or two, and ONNX Runtime is faster on
its graph than on that of the newer one, which takes ten (benchmarks/prediction.py). What a trace could get wrong, sizes
that became constants, is looked for: the file is run on batches of several shapes and compared with the model.
"""

import copy
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn

from zooter_ray.config.training import TrainingConfig
from zooter_ray.errors import ArtifactError, one_line
from zooter_ray.router.directory import ONNX_FILE
from zooter_ray.router.model import new_router, new_tokenizer
from zooter_ray.router.onnx_session import OnnxSession

INPUTS = ["input_ids", "attention_mask"]
OUTPUTS = ["logits"]
OPSET = 18
TOLERANCE = 1e-5  # of probabilities, per unit of the largest logit above 1: rounding grows with the logits
SHAPES = ((1, 3), (3, 8), (2, 33), (1, 64), (5, 7))  # batch, length


@dataclass(frozen=True)
class OnnxInterface:
    """How `router.onnx` is called: int64 inputs of shape (batch, length), float32 logits of shape (batch, experts)."""

    inputs: list[str]
    outputs: list[str]
    opset: int
    file: str = ONNX_FILE

    def to_json(self) -> dict[str, Any]:
        """As zooter.json has it."""
        return asdict(self)


class LogitsOnly(nn.Module):
    """A router whose result is a tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (B, M) of token ids and their mask (B, L)."""
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def export_onnx(model: Any, tokenizer: Any, path: str | Path) -> OnnxInterface:
    """Write a router of either pooling, batch and length free, and check the file against the model.

    The model stays as it is.

    Raises:
        ArtifactError: if the architecture cannot be exported, or the file gives other probabilities.
    """
    plain = copy.deepcopy(model).float().cpu().eval()
    # Attention written out: ONNX has no operator for the fused one, and what it is taken apart into is slower.
    for part in plain.modules():
        if hasattr(part, "set_attn_implementation"):
            part.set_attn_implementation("eager")
    traced = LogitsOnly(plain).eval()
    free = {name: {0: "batch", 1: "length"} for name in INPUTS} | {name: {0: "batch"} for name in OUTPUTS}
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # what is traced is checked below
            torch.onnx.export(
                traced, _batch(tokenizer, *SHAPES[1]), str(path), input_names=INPUTS, output_names=OUTPUTS,
                dynamic_axes=free, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except (torch.onnx.OnnxExporterError, RuntimeError, TypeError, ValueError) as error:
        reason = one_line(error)
        raise ArtifactError(
            f"a router of type {model.config.model_type} cannot be exported to ONNX (native pooling can do without, by "
            f"training.onnx: false): {reason}"
        ) from None
    check(traced, tokenizer, path)
    return OnnxInterface(INPUTS, OUTPUTS, OPSET)


def check_possible(config: TrainingConfig, experts: Sequence[str]) -> None:
    """Build an untrained router, export it, and throw it away: what is impossible is known before training.

    Raises:
        ConfigError: if there is no such router.
        ArtifactError: if the architecture cannot be exported, though it shall.
    """
    router = new_router(config, experts)
    if config.onnx:
        with tempfile.TemporaryDirectory() as scratch:
            export_onnx(router, new_tokenizer(config.backbone), Path(scratch) / ONNX_FILE)


@torch.inference_mode()
def check(model: Callable[[Tensor, Tensor], Tensor], tokenizer: Any, path: str | Path) -> None:
    """Compare an exported router with the model that it was made from.

    Raises:
        ArtifactError: if their probabilities differ.
    """
    session = OnnxSession(path)
    for input_ids, attention_mask in (_batch(tokenizer, *shape) for shape in SHAPES):
        logits_BM = model(input_ids, attention_mask).double().numpy()
        found_BM = session(input_ids.numpy(), attention_mask.numpy()).astype(np.float64)
        difference = np.abs(softmax(found_BM, axis=1) - softmax(logits_BM, axis=1)).max()
        if not difference <= TOLERANCE * max(1.0, np.abs(logits_BM).max()):
            raise ArtifactError(
                f"{path} gives probabilities that differ by {difference:.1e} from those of the model, "
                f"for queries of {input_ids.shape[1]} tokens"
            )


def _batch(tokenizer: Any, batch: int, length: int) -> tuple[Tensor, Tensor]:
    """Token ids and a mask (B, L), each row padded by one token more than the row before."""
    generator = torch.Generator().manual_seed(0)
    input_ids = torch.randint(len(tokenizer), (batch, length), generator=generator)
    attention_mask = (torch.arange(length) < length - torch.arange(batch).unsqueeze(1)).long()
    return torch.where(attention_mask == 1, input_ids, tokenizer.pad_token_id), attention_mask
