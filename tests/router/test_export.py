"""`router.onnx`: the same logits as the model, for every architecture, both poolings, any batch and any length."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers.modeling_outputs import SequenceClassifierOutput

from tests import tiny_models
from tests.router.test_model import BACKBONES, EXPERTS, settings
from zooter_ray.errors import ArtifactError
from zooter_ray.router import model
from zooter_ray.router.export import check, check_possible, export_onnx
from zooter_ray.router.model import new_router

LENGTHS = [1, 2, 17, 200]


def batch(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Four rows: whole, all but one token, half and one token long."""
    input_ids = torch.randint(5, 170, (4, length), generator=torch.Generator().manual_seed(length))
    lengths = torch.tensor([length, max(length - 1, 1), max(length // 2, 1), 1])
    mask = (torch.arange(length) < lengths.unsqueeze(1)).long()
    return input_ids * mask, mask


@pytest.mark.parametrize("pooling", ["native", "mean"])
@pytest.mark.parametrize("name", BACKBONES)
def test_an_exported_router_has_the_models_logits(tmp_path: Path, name: str, pooling: Any) -> None:
    router = new_router(settings(BACKBONES[name](tmp_path, 3), pooling=pooling), EXPERTS).train()
    interface = export_onnx(router, tiny_models.encoder_tokenizer(), tmp_path / "router.onnx")
    assert router.training
    router.eval()
    session = onnxruntime.InferenceSession(tmp_path / "router.onnx")
    for length in LENGTHS:
        for rows in (1, 4):
            input_ids, mask = (tensor[:rows] for tensor in batch(length))
            found_BM = session.run(
                interface.outputs, dict(zip(interface.inputs, (input_ids.numpy(), mask.numpy()), strict=True))
            )[0]
            with torch.inference_mode():
                expected_BM = router(input_ids=input_ids, attention_mask=mask).logits.numpy()
            np.testing.assert_allclose(found_BM, expected_BM, atol=1e-5, rtol=0)


def test_the_interface_is_what_the_file_says(tmp_path: Path) -> None:
    tiny_models.save_mean_router(tmp_path, EXPERTS)
    graph = onnx.load(tmp_path / "router.onnx")
    onnx.checker.check_model(graph)
    interface = export_onnx(
        new_router(settings(tmp_path), EXPERTS), tiny_models.encoder_tokenizer(), tmp_path / "other.onnx"
    )
    assert [entry.name for entry in graph.graph.input] == interface.inputs == ["input_ids", "attention_mask"]
    assert [entry.name for entry in graph.graph.output] == interface.outputs == ["logits"]
    assert [entry.version for entry in graph.opset_import if not entry.domain] == [interface.opset]
    assert interface.to_json() == {
        "inputs": ["input_ids", "attention_mask"], "outputs": ["logits"], "opset": 18, "file": "router.onnx",
    }  # fmt: skip


def test_a_file_that_gives_other_probabilities_is_refused(tmp_path: Path) -> None:
    tiny_models.save_mean_router(tmp_path, EXPERTS)
    other = new_router(settings(tmp_path, pooling="native", seed=1), EXPERTS)

    def logits(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = other.eval()(input_ids=input_ids, attention_mask=attention_mask).logits
        return found

    with pytest.raises(
        ArtifactError, match=r"router\.onnx gives probabilities that differ by .* from those of the model"
    ):
        check(logits, tiny_models.encoder_tokenizer(), tmp_path / "router.onnx")


def test_an_architecture_that_cannot_be_exported_is_named_before_it_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(tiny_models.save_encoder(tmp_path))
    check_possible(config, EXPERTS)
    monkeypatch.setattr(model.Head, "forward", unexportable)
    with pytest.raises(ArtifactError, match=r"^a router of type bert cannot be exported to ONNX "):
        check_possible(config, EXPERTS)


def unexportable(head: model.Head, pooled_BD: torch.Tensor) -> SequenceClassifierOutput:
    """ONNX has no operator for this."""
    return SequenceClassifierOutput(logits=torch.linalg.svdvals(pooled_BD)[:, None].expand(-1, 3))
