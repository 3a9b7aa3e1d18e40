"""The router's model with mean pooling, and what it shares with native pooling."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

from tests import tiny_models
from zooter_ray.config.training import TrainingConfig
from zooter_ray.errors import ConfigError
from zooter_ray.positions import positions_of
from zooter_ray.router.model import (
    fold_bias,
    fold_temperature,
    last_linear,
    load_mean_pooled,
    new_router,
    new_tokenizer,
    pooled,
    start_at,
    trained_part,
)

EXPERTS = ["vicuna", "llama", "wizard"]
BACKBONES: dict[str, Callable[[Path, int], Path]] = {
    "bert": tiny_models.save_bert,
    "deberta-v2": tiny_models.save_deberta,
    "modernbert": tiny_models.save_modernbert,
    "xlm-roberta": tiny_models.save_xlm_roberta,
}
INPUT_IDS = torch.tensor([[2, 60, 70, 80, 3], [2, 90, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture
def backbone(tmp_path: Path) -> str:
    return str(tiny_models.save_encoder(tmp_path / "backbone"))


def settings(backbone: str | Path, **changed: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({"backbone": str(backbone), "pooling": "mean", **changed})


@torch.inference_mode()
def logits(model: Any, input_ids: torch.Tensor = INPUT_IDS, mask: torch.Tensor = MASK) -> torch.Tensor:
    found: torch.Tensor = model.eval()(input_ids=input_ids, attention_mask=mask).logits
    return found


def test_the_mean_over_the_attended_tokens_goes_through_the_head(backbone: str) -> None:
    model = new_router(settings(backbone), EXPERTS)
    head = last_linear(model)
    encoder = AutoModel.from_pretrained(backbone).eval()
    for row, length in enumerate([5, 3]):  # one query at a time, without padding
        with torch.no_grad():
            mean_D = encoder(input_ids=INPUT_IDS[row : row + 1, :length]).last_hidden_state[0].mean(dim=0)
            expected_M = head.weight @ mean_D + head.bias
        torch.testing.assert_close(logits(model)[row], expected_M, atol=1e-6, rtol=0)


def test_a_hidden_layer_comes_with_a_gelu_and_dropout(backbone: str) -> None:
    model = new_router(settings(backbone, hidden=8), EXPERTS)
    first, gelu, dropout, second = model.head.layers
    assert (first.in_features, first.out_features, second.in_features, second.out_features) == (16, 8, 8, 3)
    assert dropout.p == 0.1  # the encoder's own
    vector_D = torch.linspace(-2, 2, 16)
    torch.testing.assert_close(model.eval().head(vector_D).logits, second(gelu(first(vector_D))))


def test_the_seed_makes_the_head_and_every_parameter_learns(backbone: str) -> None:
    first, same, other = (new_router(settings(backbone, seed=seed), EXPERTS) for seed in (0, 0, 1))
    assert torch.equal(last_linear(first).weight, last_linear(same).weight)
    assert not torch.equal(last_linear(first).weight, last_linear(other).weight)
    torch.autograd.backward(first(input_ids=INPUT_IDS, attention_mask=MASK).logits.square().sum())
    assert [name for name, parameter in first.named_parameters() if parameter.grad is None] == []


def test_what_a_frozen_router_pools_is_what_its_head_is_trained_on(backbone: str) -> None:
    model = new_router(settings(backbone, frozen=True), EXPERTS).eval()
    features_QD = pooled(model, [[2, 90, 3], [2, 60, 70, 80, 3]], pad_token_id=0)
    with torch.no_grad():
        expected_BD = model.pool(INPUT_IDS, MASK).numpy()[::-1]
    np.testing.assert_allclose(features_QD, expected_BD, atol=1e-6)
    assert trained_part(model, frozen=True) is model.head
    assert trained_part(model, frozen=False) is model


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("hidden", [None, 8])
def test_a_mean_pooled_router_is_read_back_as_it_was_saved(tmp_path: Path, name: str, hidden: int | None) -> None:
    BACKBONES[name](tmp_path / "backbone", 2)
    model = new_router(settings(tmp_path / "backbone", hidden=hidden), EXPERTS)
    (tmp_path / "saved").mkdir()
    model.save_pretrained(tmp_path / "saved")
    again = load_mean_pooled(tmp_path / "saved")
    assert torch.equal(logits(again), logits(model))
    assert again.config.id2label == {0: "vicuna", 1: "llama", 2: "wizard"}
    assert load_file(tmp_path / "saved" / "model.safetensors").keys() == model.state_dict().keys()


@pytest.mark.parametrize("pooling", ["native", "mean"])
@pytest.mark.parametrize("name", BACKBONES)
def test_a_router_of_the_first_layers_can_be_saved(tmp_path: Path, name: str, pooling: str) -> None:
    BACKBONES[name](tmp_path / "backbone", 2)
    model = new_router(settings(tmp_path / "backbone", layers=1, pooling=pooling), EXPERTS)
    (tmp_path / "saved").mkdir()
    model.save_pretrained(tmp_path / "saved")
    assert AutoConfig.from_pretrained(tmp_path / "saved").num_hidden_layers == 1


@pytest.mark.parametrize("name", BACKBONES)
def test_plain_transformers_reads_the_encoder_of_a_mean_pooled_router(tmp_path: Path, name: str) -> None:
    BACKBONES[name](tmp_path / "backbone", 2)
    (tmp_path / "saved").mkdir()
    new_router(settings(tmp_path / "backbone"), EXPERTS).save_pretrained(tmp_path / "saved")
    hidden = [
        AutoModel.from_pretrained(tmp_path / directory).eval()(INPUT_IDS, attention_mask=MASK).last_hidden_state
        for directory in ("backbone", "saved")
    ]
    assert torch.equal(*hidden)


@pytest.mark.parametrize("pooling", ["native", "mean"])
@pytest.mark.parametrize("name", BACKBONES)
def test_the_last_linear_layer_makes_the_logits(tmp_path: Path, name: str, pooling: Any) -> None:
    model = new_router(settings(BACKBONES[name](tmp_path, 3), pooling=pooling), EXPERTS)
    before = logits(model)
    fold_bias(model, 1, 0.5)
    fold_temperature(model, 2.0)
    torch.testing.assert_close(logits(model), (before + torch.tensor([0, 0.5, 0])) / 2)


def test_a_head_that_has_no_place_for_caution_is_named(tmp_path: Path) -> None:
    backbone = tiny_models.save_llama_classifier(tmp_path, 3)
    with pytest.raises(ConfigError, match=r"caution must be null: the head of Llama\w+ has no bias"):
        new_router(settings(backbone, pooling="native", caution=0.02), EXPERTS)


def test_a_head_that_ends_in_no_linear_layer_over_the_experts_is_named(backbone: str) -> None:
    model = new_router(settings(backbone), EXPERTS)
    model.head = torch.nn.Identity()
    with pytest.raises(ConfigError, match="the head of MeanPooledRouter has no linear layer over 3 classes at its end"):
        last_linear(model)


def test_a_backbone_whose_download_was_interrupted_is_named(tmp_path: Path) -> None:
    weights = tiny_models.save_encoder(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match=rf"^the router's backbone {tmp_path} cannot be loaded: "):
        new_router(settings(tmp_path), EXPERTS)


@pytest.mark.parametrize("keep", [100, 0, None], ids=["cut short", "empty", "missing"])
def test_a_tokenizer_whose_download_was_interrupted_is_named(tmp_path: Path, keep: int | None) -> None:
    path = tiny_models.save_encoder(tmp_path) / "tokenizer.json"
    content = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(content[:keep])
    with pytest.raises(ConfigError, match=rf"^the router's backbone {tmp_path} cannot be loaded: "):
        new_tokenizer(str(tmp_path))


@pytest.mark.parametrize("pooling", ["native", "mean"])
@pytest.mark.parametrize(
    ("name", "positions"), [("bert", 512), ("xlm-roberta", 512 - 1), ("deberta-v2", None), ("modernbert", None)]
)
def test_a_router_that_would_read_more_than_its_backbone_can_is_refused(
    tmp_path: Path, name: str, positions: int | None, pooling: Any
) -> None:
    BACKBONES[name](tmp_path, 2)
    most = positions or 4096
    model = new_router(settings(tmp_path, max_length=most, pooling=pooling), EXPERTS)
    assert positions_of(model) == positions
    query = torch.full((1, most if positions else 8), 60)
    assert logits(model, query, torch.ones_like(query)).shape == (1, 3)
    if positions:
        with pytest.raises(ConfigError, match=rf"max_length is {most + 1}, but the backbone .* reads {most} tokens"):
            new_router(settings(tmp_path, max_length=most + 1, pooling=pooling), EXPERTS)


def test_a_backbone_keeps_the_head_of_its_own_experts_alone(tmp_path: Path) -> None:
    trained = new_router(settings(tiny_models.save_bert(tmp_path / "encoder", 2), pooling="native"), EXPERTS)
    start_at(trained, np.array([0.7, 0.2, 0.1]))
    trained.save_pretrained(tmp_path / "router")
    tiny_models.encoder_tokenizer().save_pretrained(tmp_path / "router")
    same, other = (
        new_router(settings(tmp_path / "router", pooling="native"), experts) for experts in (EXPERTS, ["a", "b", "c"])
    )
    assert torch.equal(last_linear(same).bias, last_linear(trained).bias)
    assert not last_linear(other).bias.any()
    assert last_linear(other).weight.any()
    for name, weight in trained.bert.state_dict().items():
        assert torch.equal(other.bert.state_dict()[name], weight)
    assert not torch.equal(last_linear(other).weight, last_linear(trained).weight)
    assert other.config.id2label == {0: "a", 1: "b", 2: "c"}


def test_a_tokenizer_cuts_on_the_side_it_is_told(backbone: str) -> None:
    tokenizer = new_tokenizer(backbone, "left")
    cut = tokenizer("red apple and blue plum", truncation=True, max_length=4)["input_ids"]
    assert tokenizer.decode(cut, skip_special_tokens=True) == "blue plum"


@pytest.mark.parametrize("changed", [{}, {"hidden": 5}, {"pooling": "native"}], ids=["linear", "two layers", "native"])
def test_a_head_may_start_at_the_same_probabilities_for_every_query(backbone: str, changed: dict[str, Any]) -> None:
    model = new_router(settings(backbone, **changed), EXPERTS)
    start_at(model, np.array([0.7, 0.3, 0.0]))
    expected_M = torch.tensor([0.7, 0.3, 1e-4]) / 1.0001
    torch.testing.assert_close(logits(model).softmax(dim=1), expected_M.expand(2, 3), atol=1e-6, rtol=0)
