"""The published reward models: their parameters fit our classes, their prompts are ours, and nothing else is loaded.

checkpoints/*.json say what each published checkpoint holds, and in `provenance` how far that is known.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, DebertaV2Config, LlamaConfig

from tests import tiny_models
from zooter_ray.config.scoring import PairRankerReward, SequenceClassificationReward, UltraRMReward
from zooter_ray.errors import ConfigError
from zooter_ray.rewards import Match, Pair, load_pair_ranker, load_reward_model
from zooter_ray.rewards.pair_ranker import DebertaPairRanker, PairRankerModel
from zooter_ray.rewards.scalar_head import load_strictly
from zooter_ray.rewards.sequence_classification import SequenceClassificationRewardModel
from zooter_ray.rewards.ultrarm import LlamaRewardModel, UltraRMRewardModel, prompt

CHECKPOINTS = sorted((Path(__file__).parent / "checkpoints").glob("*.json"))


# The parameters of the published checkpoints


@pytest.fixture(params=CHECKPOINTS, ids=lambda path: path.stem)
def checkpoint(request: pytest.FixtureRequest) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(request.param.read_text())
    return content


def tensors(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Tensors without content, of the checkpoint's names and shapes."""
    names = {
        name.format(layer=layer): shape
        for name, shape in checkpoint["parameters"].items()
        for layer in range(checkpoint["layers"])
    }
    return {name: torch.empty(shape, device="meta") for name, shape in names.items()}


def model_of(checkpoint: dict[str, Any]) -> Any:
    """Our class for this kind, as large as the checkpoint, without content."""
    config = checkpoint["config"]
    with torch.device("meta"):
        match checkpoint["kind"]:
            case "sequence_classification":
                return AutoModelForSequenceClassification.from_config(AutoConfig.for_model(**config))
            case "ultrarm":
                return LlamaRewardModel(LlamaConfig(**config))
            case "pair_ranker":
                return DebertaPairRanker(DebertaV2Config(**config))
    raise AssertionError(checkpoint["kind"])


def test_every_published_kind_has_a_checkpoint_and_each_config_names_its_source() -> None:
    contents = [json.loads(path.read_text()) for path in CHECKPOINTS]
    assert {content["kind"] for content in contents} == {"sequence_classification", "ultrarm", "pair_ranker"}
    sources = {content["source"] for content in contents}
    assert {UltraRMReward(id="x").source, PairRankerReward(id="x").source} <= sources
    assert all(content["provenance"] for content in contents)


def test_the_parameters_of_the_published_checkpoint_are_exactly_those_of_our_model(checkpoint: dict[str, Any]) -> None:
    model = model_of(checkpoint)
    model.load_state_dict(tensors(checkpoint), strict=True, assign=True)


def test_the_parameters_are_as_large_as_the_published_files(checkpoint: dict[str, Any]) -> None:
    gigabytes = sum(tensor.numel() for tensor in tensors(checkpoint).values()) * checkpoint["bytes_per_parameter"] / 1e9
    assert gigabytes == pytest.approx(checkpoint["gigabytes"], abs=0.01)


def test_a_reward_model_gives_one_number(checkpoint: dict[str, Any]) -> None:
    model = model_of(checkpoint)
    outputs = [layer.out_features for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    assert outputs[-1] == 1


@pytest.mark.parametrize(
    ("deviation", "message"),
    [("missing", "Missing key"), ("additional", "Unexpected key"), ("of another shape", "size mismatch")],
)
def test_a_deviation_of_the_parameters_would_be_noticed(
    checkpoint: dict[str, Any], deviation: str, message: str
) -> None:
    model, parameters = model_of(checkpoint), tensors(checkpoint)
    name = next(reversed(parameters))
    if deviation == "missing":
        del parameters[name]
    elif deviation == "additional":
        parameters["lm_head.weight"] = torch.empty(1, device="meta")
    else:
        parameters[name] = torch.empty(3, 5, device="meta")
    with pytest.raises(RuntimeError, match=message):
        model.load_state_dict(parameters, strict=True, assign=True)


# What is loaded

KINDS: dict[str, tuple[Callable[[Path], Path], Callable[[str], Any], str]] = {
    "text pairs": (
        tiny_models.save_deberta,
        lambda source: load_reward_model(SequenceClassificationReward(id="tiny", source=source)),
        "classifier.weight",
    ),
    "chats": (
        tiny_models.save_llama_classifier,
        lambda source: load_reward_model(SequenceClassificationReward(id="tiny", source=source, pairs="chat")),
        "score.weight",
    ),
    "ultrarm": (
        tiny_models.save_ultrarm,
        lambda source: load_reward_model(UltraRMReward(id="tiny", source=source)),
        "regression_head.weight",
    ),
    "pair_ranker": (
        tiny_models.save_pair_ranker,
        lambda source: load_pair_ranker(PairRankerReward(id="tiny", source=source)),
        "head_layer.4.weight",
    ),
}


def change(source: Path, changed: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Writes a checkpoint anew with other tensors in it."""
    file = source / "model.safetensors"
    content = load_file(file)
    changed(content)
    save_file(content, file, metadata={"format": "pt"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_without_its_head_is_refused_where_transformers_would_make_one_up(
    kind: str, tmp_path: Path
) -> None:
    save, load, head = KINDS[kind]
    source = save(tmp_path)
    change(source, lambda content: content.pop(head))
    with pytest.raises(ConfigError) as raised:
        load(str(source))
    assert str(raised.value) == f"the checkpoint {source} of reward model 'tiny' does not fit: missing: {head}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_of_another_shape_is_refused(kind: str, tmp_path: Path) -> None:
    save, load, head = KINDS[kind]
    source = save(tmp_path)
    change(source, lambda content: content.update({head: torch.zeros(1, 15)}))
    with pytest.raises(ConfigError, match=rf"of another shape: {head} \[1, 15\] instead of \[1, 16\]$"):
        load(str(source))


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_that_the_model_does_not_have_are_refused(kind: str, tmp_path: Path) -> None:
    save, load, _ = KINDS[kind]
    source = save(tmp_path)
    change(source, lambda content: content.update({f"second_head.{n}": torch.zeros(1) for n in range(7)}))
    expected = ", ".join(f"second_head.{n}" for n in range(5))
    with pytest.raises(ConfigError, match=f"does not fit: unexpected: {expected} and 2 more$"):
        load(str(source))


def test_a_checkpoint_of_another_kind_is_refused_with_both_sides_named(tmp_path: Path) -> None:
    source = tiny_models.save_ultrarm(tmp_path)
    with pytest.raises(ConfigError, match=r"missing: score\.weight; unexpected: regression_head\.weight$"):
        load_reward_model(SequenceClassificationReward(id="tiny", source=str(source), pairs="chat"))


def test_a_buffer_that_older_versions_saved_is_no_deviation(tmp_path: Path) -> None:
    buffers = {name for path in CHECKPOINTS for name in json.loads(path.read_text())["buffers"]}
    assert buffers == {"deberta.embeddings.position_ids"}
    source = tiny_models.save_deberta(tmp_path)
    change(source, lambda content: content.update({name: torch.arange(512)[None] for name in buffers}))
    model = load_reward_model(SequenceClassificationReward(id="tiny", source=str(source)))
    assert model([Pair("red apple", "blue plum")])[0].reward is not None


def test_rotary_frequencies_that_older_versions_saved_are_no_deviation(tmp_path: Path) -> None:
    source = tiny_models.save_ultrarm(tmp_path)
    name = "model.layers.{}.self_attn.rotary_emb.inv_freq"
    change(source, lambda content: content.update({name.format(layer): torch.ones(4) for layer in range(2)}))
    model = load_reward_model(UltraRMReward(id="tiny", source=str(source)))
    assert model([Pair("red apple", "blue plum")])[0].reward is not None


def test_attention_is_sdpa_where_the_architecture_has_it_and_eager_where_not(tmp_path: Path) -> None:
    llama = tiny_models.save_ultrarm(tmp_path / "llama")
    deberta = tiny_models.save_pair_ranker(tmp_path / "deberta")
    assert load_strictly(LlamaRewardModel, "x", str(llama), "auto").config._attn_implementation == "sdpa"
    assert load_strictly(DebertaPairRanker, "x", str(deberta), "auto").config._attn_implementation == "eager"


@pytest.mark.parametrize("kind", ["chats", "ultrarm"])
def test_the_attention_of_the_config_is_used_and_changes_no_reward(kind: str, tmp_path: Path) -> None:
    source = str(KINDS[kind][0](tmp_path))
    pairs = [Pair("red apple", "blue plum"), Pair("What is the capital of France?", "Paris")]
    found = []
    for attention in ("eager", "sdpa"):
        settings: dict[str, Any] = {"id": "x", "source": source, "dtype": "float32", "attention": attention}
        config = UltraRMReward(**settings) if kind == "ultrarm" else None
        model: Any = load_reward_model(config or SequenceClassificationReward(**settings, pairs="chat"))
        assert model.model.config._attn_implementation == attention
        found.append([one.reward for one in model(pairs)])
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_attention_and_batches_only_change_the_speed() -> None:
    plain = UltraRMReward(id="x").identity()
    assert UltraRMReward(id="x", attention="flash_attention_2", batch_size=1, token_env="T").identity() == plain
    assert PairRankerReward(id="x", batch_size=1).identity() == PairRankerReward(id="x").identity()
    assert PairRankerReward(id="x", max_candidate_length=8).identity() != PairRankerReward(id="x").identity()


# Golden prompts: what the models were trained to read

QUESTION = Pair("What is the capital of France?", "The capital of France is Paris.")


def test_openassistant_reads_question_and_answer_as_two_segments(tmp_path: Path) -> None:
    config = SequenceClassificationReward(id="x", source=str(tiny_models.save_deberta(tmp_path)), pairs="text_pair")
    model = SequenceClassificationRewardModel(config)
    tokens = model.tokenizer.convert_ids_to_tokens(model.encode(QUESTION)["input_ids"])
    assert " ".join(tokens).replace(" ##", "") == (
        "[CLS] what is the capital of france ? [SEP] the capital of france is paris . [SEP]"
    )


# What Llama 3.1's template does with a chat without tools, said anew: a system turn with two dates even if there is no
# system message, turns stripped, and 26 Jul 2024 for today unless a date is given. Checked against public copies of the
# template of meta-llama/Llama-3.1-8B-Instruct.
CHAT_TEMPLATE = (
    "{% set header = '<|start_header_id|>%s<|end_header_id|>\n\n' %}"
    "{% set system = messages[0]['content'] | trim if messages[0]['role'] == 'system' else '' %}"
    "{{ bos_token }}{{ header % 'system' }}Cutting Knowledge Date: December 2023\n"
    "Today Date: {{ date_string | default('26 Jul 2024') }}\n\n{{ system }}<|eot_id|>"
    "{% for turn in messages if turn['role'] != 'system' %}"
    "{{ header % turn['role'] }}{{ turn['content'] | trim }}<|eot_id|>{% endfor %}"
)
LLAMA_TOKENS = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]


def test_skywork_reads_a_llama_3_1_chat_with_one_begin_of_text_and_no_turn_left_open(tmp_path: Path) -> None:
    source = tiny_models.save_llama_classifier(tmp_path, chat_template=CHAT_TEMPLATE, special_tokens=LLAMA_TOKENS)
    model = SequenceClassificationRewardModel(SequenceClassificationReward(id="x", source=str(source), pairs="chat"))
    ids = model.encode(QUESTION)["input_ids"]
    assert model.tokenizer.decode(ids) == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n"
        "\n"
        "Cutting Knowledge Date: December 2023\n"
        "Today Date: 26 Jul 2024\n"
        "\n"
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n"
        "\n"
        "What is the capital of France?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n"
        "\n"
        "The capital of France is Paris.<|eot_id|>"
    )
    assert ids.count(model.tokenizer.bos_token_id) == 1
    assert ids[-1] == model.tokenizer.convert_tokens_to_ids("<|eot_id|>")  # where the reward is read


def test_ultrarm_reads_human_and_assistant_with_a_bos_in_front_and_no_eos_behind(tmp_path: Path) -> None:
    model = UltraRMRewardModel(UltraRMReward(id="x", source=str(tiny_models.save_ultrarm(tmp_path))))
    text = "Human: What is the capital of France?\n\nAssistant: The capital of France is Paris."
    assert prompt(QUESTION) == text
    assert model.tokenizer.decode(model.tokenizer(prompt(QUESTION))["input_ids"]) == f"<s>{text}"


def test_pairrm_reads_three_parts_each_with_its_prefix_and_special_tokens_of_its_own(tmp_path: Path) -> None:
    model = PairRankerModel(PairRankerReward(id="x", source=str(tiny_models.save_pair_ranker(tmp_path))))
    encoded = model.encode(Match("What is the capital of France?", "Paris", "The river Seine."))
    tokens = model.tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    assert " ".join(tokens).replace(" ##", "") == (
        "[CLS] <|source|> what is the capital of france ? [SEP] "
        "[CLS] <|candidate1|> paris [SEP] "
        "[CLS] <|candidate2|> the river seine . [SEP]"
    )
    assert [tokens[index] for index in encoded["prefixes"]] == ["<|source|>", "<|candidate1|>", "<|candidate2|>"]
