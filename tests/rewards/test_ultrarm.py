"""UltraRM: a LLaMA whose regression head reads the last token."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaConfig, LlamaModel

from tests import tiny_models
from zooter_ray.config.scoring import UltraRMReward
from zooter_ray.rewards import Pair, load_reward_model
from zooter_ray.rewards.ultrarm import UltraRMRewardModel, prompt

PAIRS = [
    Pair("What is the capital of France?", "Paris"),
    Pair("Name a red fruit.", "a red apple, a blue plum, a green pear. " * 5),
    Pair("Write a Python function that adds two numbers.", "def add(a, b): return a + b"),
    Pair("?", ""),
    Pair("What is the capital of France?", "Seine"),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_ultrarm(tmp_path_factory.mktemp("ultrarm"))


def reward_model(source: Path, **settings: object) -> UltraRMRewardModel:
    return UltraRMRewardModel(UltraRMReward(id="ultrarm", source=str(source), **{"dtype": "float32", **settings}))


@torch.inference_mode()
def one_at_a_time(source: Path, max_length: int) -> list[float]:
    """The definition, from the checkpoint's tensors: LLaMA's last hidden state times the head, without any padding."""
    tensors = load_file(source / "model.safetensors")
    llama = LlamaModel(LlamaConfig.from_pretrained(source)).eval()
    llama.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    tokenizer = AutoTokenizer.from_pretrained(source)
    found = []
    for pair in PAIRS:
        ids = tokenizer(f"Human: {pair.query}\n\nAssistant: {pair.response}")["input_ids"][:max_length]
        last = llama(torch.tensor([ids])).last_hidden_state[0, -1]
        found.append((tensors["regression_head.weight"] @ last).item())
    return found


@pytest.mark.parametrize("max_length", [512, 24])
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_batches_of_like_lengths_give_the_rewards_of_one_pair_at_a_time_in_the_order_of_the_pairs(
    source: Path, batch_size: int, max_length: int
) -> None:
    expected = one_at_a_time(source, max_length)
    assert max(expected) - min(expected) > 0.1  # rewards in a wrong order would be noticed
    scored = reward_model(source, batch_size=batch_size, max_length=max_length)(PAIRS)
    assert [one.reward for one in scored] == pytest.approx(expected, abs=1e-5)


def test_the_last_token_is_read_also_if_it_is_the_one_that_pads(source: Path) -> None:
    ends_like_padding = Pair("red apple", "blue plum</s></s>")
    model = reward_model(source)
    assert model.tokenizer.pad_token == "</s>"
    (alone,), (together, _) = model([ends_like_padding]), model([ends_like_padding, PAIRS[1]])
    (without,) = model([Pair("red apple", "blue plum")])
    assert together.reward == pytest.approx(alone.reward, abs=1e-5)
    assert alone.reward != pytest.approx(without.reward, abs=1e-3)


def test_parameters_have_the_names_of_the_published_checkpoint(source: Path) -> None:
    with safe_open(source / "model.safetensors", framework="pt") as file:
        names = set(file.keys())
    assert names == set(reward_model(source).model.state_dict())
    assert {name for name in names if not name.startswith("model.")} == {"regression_head.weight"}
    assert {"model.embed_tokens.weight", "model.norm.weight", "model.layers.0.self_attn.q_proj.weight"} <= names


def test_the_prompt_is_the_one_that_the_model_was_trained_to_read() -> None:
    assert prompt(Pair("Hi.", "Hello.")) == "Human: Hi.\n\nAssistant: Hello."


def test_a_padding_token_of_the_tokenizer_is_kept(tmp_path: Path) -> None:
    assert reward_model(tiny_models.save_ultrarm(tmp_path, pad_token="<pad>")).tokenizer.pad_token == "<pad>"


def test_no_pairs_have_no_rewards(source: Path) -> None:
    assert reward_model(source)([]) == []


def test_the_config_names_this_kind_and_loads_it_in_bfloat16(source: Path) -> None:
    model = load_reward_model(UltraRMReward(id="ultrarm", source=str(source)))
    assert isinstance(model, UltraRMRewardModel)
    assert model.model.dtype == torch.bfloat16
    assert [one.error for one in model(PAIRS)] == [""] * len(PAIRS)
