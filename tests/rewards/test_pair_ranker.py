"""PairRM: two responses to a query, compared; batches give what one match at a time gives."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, DebertaV2Config, DebertaV2Model

from tests import tiny_models
from zooter_ray.config.scoring import PairRankerReward, ScoringConfig
from zooter_ray.errors import ConfigError
from zooter_ray.rewards import Match, Scored, load_pair_ranker, load_reward_model
from zooter_ray.rewards.comparisons import aggregate
from zooter_ray.rewards.pair_ranker import PairRankerModel

LONG = (
    "a red apple, a blue plum, a green pear. " * 22
)  # two of them exceed the 512 positions that DeBERTa names, and may
MATCHES = [
    Match("What is the capital of France?", "Paris", "Seine"),
    Match("What is the capital of France?", "Seine", "Paris"),
    Match("Name a red fruit.", LONG, "apple"),
    Match(LONG, "four apples", LONG),
    Match("Write a Python function that adds two numbers.", "def add(a, b): return a + b", ""),
    Match("?", "Four apples are left, because seven minus three is four.", "def"),
    Match(LONG, LONG, "Paris, a city on the river Seine."),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_pair_ranker(tmp_path_factory.mktemp("pair_ranker"))


def ranker(source: Path, **settings: object) -> PairRankerModel:
    return PairRankerModel(PairRankerReward(id="pairs", source=str(source), **settings))


def rewards(scored: list[Scored]) -> list[float]:
    assert all(one.reward is not None and one.error == "" for one in scored)
    return [one.reward for one in scored]


@torch.inference_mode()
def one_at_a_time(source: Path, max_source_length: int, max_candidate_length: int) -> list[float]:
    """The definition, from the checkpoint's tensors: prefix states, a two-layer head, the difference; no padding."""
    tensors = load_file(source / "model.safetensors")
    deberta = DebertaV2Model(DebertaV2Config.from_pretrained(source)).eval()
    deberta.load_state_dict(
        {name.removeprefix("pretrained_model."): t for name, t in tensors.items() if not name.startswith("head_layer.")}
    )
    tokenizer = AutoTokenizer.from_pretrained(source)

    def head(query: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
        inner = torch.tanh(tensors["head_layer.1.weight"] @ torch.cat([query, response]) + tensors["head_layer.1.bias"])
        return tensors["head_layer.4.weight"] @ inner + tensors["head_layer.4.bias"]

    found = []
    for match in MATCHES:
        ids = tokenizer.encode("<|source|>" + match.query, truncation=True, max_length=max_source_length)
        each = (max_source_length + 2 * max_candidate_length - len(ids)) // 2
        for prefix, text in (("<|candidate1|>", match.first), ("<|candidate2|>", match.second)):
            ids = ids + tokenizer.encode(prefix + text, truncation=True, max_length=each)
        states = deberta(torch.tensor([ids])).last_hidden_state[0]
        at = {name: states[ids.index(tokenizer.convert_tokens_to_ids(name))] for name in tokenizer.get_added_vocab()
              if name.startswith("<|") and name != "<|candidate|>"}  # fmt: skip
        left, right = head(at["<|source|>"], at["<|candidate1|>"]), head(at["<|source|>"], at["<|candidate2|>"])
        found.append((left - right).mean().item())
    return found


@pytest.mark.parametrize(("max_source_length", "max_candidate_length"), [(1224, 412), (24, 12), (8, 8)])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batches_of_like_lengths_give_the_logits_of_one_match_at_a_time_in_the_order_of_the_matches(
    source: Path, batch_size: int, max_source_length: int, max_candidate_length: int
) -> None:
    lengths = {"max_source_length": max_source_length, "max_candidate_length": max_candidate_length}
    expected = one_at_a_time(source, **lengths)
    assert max(expected) - min(expected) > 0.1  # logits in a wrong order would be noticed
    assert rewards(ranker(source, batch_size=batch_size, **lengths)(MATCHES)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("n_tasks", [1, 3])
def test_the_logit_is_the_mean_over_the_tasks(tmp_path: Path, n_tasks: int) -> None:
    source = tiny_models.save_pair_ranker(tmp_path, n_tasks=n_tasks)
    assert load_file(source / "model.safetensors")["head_layer.4.weight"].shape == (n_tasks, 16)
    assert rewards(ranker(source)(MATCHES)) == pytest.approx(one_at_a_time(source, 1224, 412), abs=1e-5)


# The input


def parts(model: PairRankerModel, match: Match) -> list[int]:
    """Lengths of query, first and second response in the input."""
    ids = model.encode(match)["input_ids"]
    starts = [index for index, token in enumerate(ids) if token == model.tokenizer.cls_token_id]
    return [end - start for start, end in itertools.pairwise([*starts, len(ids)])]


def test_short_texts_are_whole(source: Path) -> None:
    assert parts(ranker(source), Match("red apple", "blue", "green pear plum")) == [5, 4, 6]


def test_a_long_query_is_cut_to_its_own_length_and_leaves_the_responses_theirs(source: Path) -> None:
    model = ranker(source, max_source_length=20, max_candidate_length=10)
    assert parts(model, Match(LONG, LONG, LONG)) == [20, 10, 10]
    assert parts(model, Match(LONG, "apple", LONG)) == [20, 4, 10]  # what one response leaves is not the other's


def test_what_a_short_query_leaves_over_is_shared_by_the_responses(source: Path) -> None:
    model = ranker(source, max_source_length=20, max_candidate_length=10)
    assert parts(model, Match("red apple", LONG, LONG)) == [5, 17, 17]  # (20 + 2 * 10 - 5) // 2


def test_prefixes_are_read_in_their_own_part_whatever_a_text_contains(source: Path) -> None:
    model = ranker(source)
    encoded = model.encode(Match("red <|candidate1|> <|source|>", "blue <|candidate2|>", "plum"))
    text = model.tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    assert encoded["prefixes"] == [1, 7, 12]
    assert [text[index] for index in encoded["prefixes"]] == ["<|source|>", "<|candidate1|>", "<|candidate2|>"]
    assert text[6] == text[11] == "[CLS]"


# What the comparisons say


def test_both_orders_have_to_be_scored_because_the_logit_is_not_antisymmetric(source: Path) -> None:
    there, back = rewards(ranker(source)(MATCHES[:2]))
    assert abs(there + back) > 1e-3


def test_the_rewards_of_two_responses_are_opposite_and_do_not_depend_on_their_order(source: Path) -> None:
    there, back = rewards(ranker(source)(MATCHES[:2]))
    paris_first, seine_first = aggregate(np.array([[[0, there], [back, 0]], [[0, back], [there, 0]]]))
    assert paris_first == pytest.approx(-paris_first[::-1])
    assert paris_first == pytest.approx(seine_first[::-1])


def test_no_matches_have_no_rewards(source: Path) -> None:
    assert ranker(source)([]) == []


def test_half_precision_loads_and_compares(source: Path) -> None:
    model = ranker(source, dtype="bfloat16")
    assert model.model.dtype == torch.bfloat16
    assert [one.error for one in model(MATCHES)] == [""] * len(MATCHES)


def test_the_config_names_this_kind_and_it_rewards_no_response_alone(source: Path) -> None:
    config = PairRankerReward(id="pairs", source=str(source))
    assert isinstance(load_pair_ranker(config), PairRankerModel)
    with pytest.raises(ValueError, match="no reward model of kind 'pair_ranker' rewards responses one by one"):
        load_reward_model(config)


def test_a_config_that_names_the_kind_alone_means_the_published_model_and_its_lengths() -> None:
    (config,) = ScoringConfig.model_validate({"reward_models": [{"kind": "pair_ranker", "id": "pairs"}]}).reward_models
    assert isinstance(config, PairRankerReward)
    assert config.source == "llm-blender/PairRM-hf"
    assert (config.max_source_length, config.max_candidate_length) == (1224, 412)
    assert config.resources.num_gpus == 1


def test_a_tokenizer_without_the_prefixes_is_refused(tmp_path: Path) -> None:
    source = tiny_models.save_pair_ranker(tmp_path)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "cand1_prefix_id": config["cand2_prefix_id"]}))
    wrong = config["cand2_prefix_id"]
    with pytest.raises(ConfigError, match=rf"'pairs': <\|candidate1\|> is not token {wrong} of its tokenizer"):
        ranker(source)
