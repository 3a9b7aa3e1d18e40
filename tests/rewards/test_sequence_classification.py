"""Reward models with a scalar head: batches give what one example at a time gives."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests import tiny_models
from zooter_ray.config.scoring import SequenceClassificationReward
from zooter_ray.errors import ConfigError
from zooter_ray.rewards import Pair, Scored, load_reward_model
from zooter_ray.rewards.scalar_head import score_in_buckets
from zooter_ray.rewards.sequence_classification import SequenceClassificationRewardModel

PAIRS = [
    Pair("What is the capital of France?", "Paris"),
    Pair("Name a red fruit.", "a red apple, a blue plum, a green pear. " * 5),
    Pair("Write a Python function that adds two numbers.", "def add(a, b): return a + b"),
    Pair("How many apples are left if Tom eats three of his seven apples?", ""),
    Pair("?", "Four apples are left, because seven minus three is four."),
    Pair("What is the capital of France?", "The capital of France is Paris, a city on the river Seine."),
    Pair("What is the capital of France?", "Seine"),
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reward_models")
    return {
        "bert": tiny_models.save_bert(folder / "bert", num_labels=1),
        "deberta": tiny_models.save_deberta(folder / "deberta"),
        "llama": tiny_models.save_llama_classifier(folder / "llama"),
    }


def reward_model(source: Path, pairs: str, **settings: object) -> SequenceClassificationRewardModel:
    config = SequenceClassificationReward(id="tiny", source=str(source), pairs=pairs, **{"max_length": 512, **settings})
    return SequenceClassificationRewardModel(config)


def rewards(scored: list[Scored]) -> list[float]:
    assert all(one.reward is not None and one.error == "" for one in scored)
    return [one.reward for one in scored]


@torch.inference_mode()
def one_at_a_time(source: Path, pairs: str, max_length: int) -> list[float]:
    """The logit of each pair alone, without any padding."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = AutoModelForSequenceClassification.from_pretrained(source).eval()
    found = []
    for pair in PAIRS:
        if pairs == "text_pair":
            inputs = tokenizer(pair.query, pair.response, truncation=True, max_length=max_length, return_tensors="pt")
            found.append(model(**inputs).logits.item())
        else:
            chat = f"<s>user: {pair.query}\nassistant: {pair.response}\n"
            ids = tokenizer(chat, add_special_tokens=False, return_tensors="pt")["input_ids"][:, :max_length]
            found.append((model.score(model.model(ids).last_hidden_state[0, -1])).item())
    return found


@pytest.mark.parametrize("max_length", [512, 24])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize(("name", "pairs"), [("bert", "text_pair"), ("deberta", "text_pair"), ("llama", "chat")])
def test_batches_of_like_lengths_give_the_rewards_of_one_pair_at_a_time_in_the_order_of_the_pairs(
    sources: dict[str, Path], name: str, pairs: str, batch_size: int, max_length: int
) -> None:
    model = reward_model(sources[name], pairs, batch_size=batch_size, max_length=max_length)
    expected = one_at_a_time(sources[name], pairs, max_length)
    assert max(expected) - min(expected) > 0.1  # rewards in a wrong order would be noticed
    assert rewards(model(PAIRS)) == pytest.approx(expected, abs=1e-5)


def test_a_text_pair_is_two_segments(sources: dict[str, Path]) -> None:
    model = reward_model(sources["deberta"], "text_pair")
    encoded = model.encode(Pair("red apple", "blue plum"))
    assert model.tokenizer.decode(encoded["input_ids"]) == "[CLS] red apple [SEP] blue plum [SEP]"
    assert encoded["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]


def test_the_query_of_a_text_pair_is_cut_where_it_is_the_longer_one(sources: dict[str, Path]) -> None:
    model = reward_model(sources["deberta"], "text_pair", max_length=8)
    ids = model.encode(Pair("red apple red apple red apple red apple", "blue plum"))["input_ids"]
    assert model.tokenizer.decode(ids) == "[CLS] red apple red [SEP] blue plum [SEP]"


def test_a_chat_is_written_by_the_models_own_template_with_its_special_tokens_once(sources: dict[str, Path]) -> None:
    model = reward_model(sources["llama"], "chat")
    ids = model.encode(Pair("red apple", "blue plum"))["input_ids"]
    assert model.tokenizer.decode(ids) == "<s>user: red apple\nassistant: blue plum\n"


def test_the_reward_depends_on_the_query_and_on_the_response(sources: dict[str, Path]) -> None:
    for name, pairs in (("deberta", "text_pair"), ("llama", "chat")):
        model = reward_model(sources[name], pairs)
        given = [Pair("red", "plum"), Pair("blue", "plum"), Pair("red", "pear")]
        assert len({round(reward, 4) for reward in rewards(model(given))}) == 3


def test_no_pairs_have_no_rewards(sources: dict[str, Path]) -> None:
    assert reward_model(sources["bert"], "text_pair")([]) == []


def test_a_model_with_more_than_one_output_is_refused(tmp_path: Path) -> None:
    tiny_models.save_bert(tmp_path, num_labels=2)
    with pytest.raises(ConfigError, match="reward model 'tiny' has 2 outputs, where one is needed"):
        reward_model(tmp_path, "text_pair")


def test_more_tokens_than_a_model_has_positions_for_are_refused_before_it_scores(tmp_path: Path) -> None:
    tiny_models.save_bert(tmp_path, num_labels=1, max_position_embeddings=32)
    assert rewards(reward_model(tmp_path, "text_pair", max_length=32)(PAIRS[1:2]))
    with pytest.raises(ConfigError, match="reward model 'tiny' has positions for 32 tokens; set max_length to that or"):
        reward_model(tmp_path, "text_pair", max_length=33)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model path .*nothing does not exist"):
        reward_model(tmp_path / "nothing", "text_pair")


def test_the_dtype_of_the_config_is_the_one_that_is_loaded(sources: dict[str, Path]) -> None:
    assert reward_model(sources["bert"], "text_pair", dtype="bfloat16").model.dtype == torch.bfloat16


def test_the_config_names_this_kind(sources: dict[str, Path]) -> None:
    config = SequenceClassificationReward(id="tiny", source=str(sources["bert"]), max_length=512)
    assert isinstance(load_reward_model(config), SequenceClassificationRewardModel)


def test_a_tokenizer_without_padding_token_scores_chats_too(tmp_path: Path) -> None:
    source = tiny_models.save_llama_classifier(tmp_path, pad_token=None)
    expected = one_at_a_time(source, "chat", 512)
    assert rewards(reward_model(source, "chat", batch_size=3)(PAIRS)) == pytest.approx(expected, abs=1e-5)


# The batches


def test_rewards_that_are_not_finite_become_reasons() -> None:
    encoded = [{"input_ids": [number] * (number + 1)} for number in range(4)]
    values = {0: 1.5, 1: math.nan, 2: math.inf, 3: -2.0}
    scored = score_in_buckets(
        encoded,
        pad=lambda batch: {"first": torch.tensor([item["input_ids"][0] for item in batch])},
        forward=lambda batch: torch.tensor([values[number] for number in batch["first"].tolist()]),
        batch_size=3,
    )
    assert scored == [
        Scored(1.5),
        Scored(None, "the reward is nan"),
        Scored(None, "the reward is inf"),
        Scored(-2.0),
    ]
