"""What the parts of a run say of one another: experts, reward models, tags, labels."""

from pathlib import Path

import pytest

from tests.config.conftest import refused
from zooter_ray.config import load_config


@pytest.mark.parametrize("expert_id", ["a:b", "zooter", "", "-a", "a b", "ü", "a/b", "x" * 65])
def test_an_expert_id_is_safe_in_urls_paths_and_lora_names(path: Path, expert_id: str) -> None:
    message = refused(path, f"generation.experts.0.id='{expert_id}'")
    assert message.startswith(f"generation.experts.0.id: expert id {expert_id!r} must be 1 to 64 letters")
    assert "a colon would be taken for a LoRA adapter" in message


def test_expert_ids_are_unique(path: Path) -> None:
    message = refused(path, "generation.experts.2.id=llama")
    assert message == "generation: expert ids must be unique; twice: llama"


@pytest.mark.parametrize("base", ["nobody", "terse"])
def test_same_weights_as_names_an_expert_with_an_engine(path: Path, base: str) -> None:
    assert refused(path, f"generation.experts.1.same_weights_as={base}") == (
        f"generation: expert 'terse' is same_weights_as {base!r}, "
        "which is no expert with an engine; those are: llama, remote"
    )


@pytest.mark.parametrize(
    "override", ["generation.experts.1.same_weights_as=null", "generation.experts.0.same_weights_as=remote"]
)
def test_an_expert_has_an_engine_or_shares_one_and_not_both(path: Path, override: str) -> None:
    assert "needs either `engine` or `same_weights_as`" in refused(path, override)


def test_two_experts_are_the_smallest_pool(path: Path) -> None:
    alone = "generation.experts=[{id: a, engine: {kind: dummy}}]"
    assert refused(path, alone).startswith("generation.experts: List should have at least 2 items")


def test_labels_name_one_of_the_reward_models(path: Path) -> None:
    assert refused(path, "labeling.reward_model=null") == "labeling.reward_model must name one of reference, deberta"
    assert refused(path, "labeling.reward_model=auto-j") == (
        "labeling.reward_model 'auto-j' is none of reference, deberta"
    )
    only = ["scoring.reward_models=[{kind: reference, id: mine}]", "labeling.reward_model=null"]
    assert load_config(path, only).label_reward_model == "mine"


def test_labels_may_be_of_a_weighted_mean_of_known_reward_models(path: Path) -> None:
    mean = ["labeling.reward_model=null", "labeling.reward_weights={reference: 1, deberta: 2}"]
    assert load_config(path, mean).label_reward_model == "weighted mean"
    both = refused(path, "labeling.reward_weights={reference: 1}")
    assert both == "labeling: give either reward_model or reward_weights"
    unknown = refused(path, mean[0], "labeling.reward_weights={auto-j: 1}")
    assert unknown == "labeling.reward_weights: 'auto-j' is none of reference, deberta"
    assert "weights above 0" in refused(path, mean[0], "labeling.reward_weights={reference: 0}")


@pytest.mark.parametrize("name", ["", "../../02_responses/poet", "a/b", "a~b"])
def test_the_id_of_a_reward_model_can_be_a_directory(path: Path, name: str) -> None:
    setting = f"scoring.reward_models=[{{kind: reference, id: '{name}'}}]"
    assert f"reward model id {name!r} must be 1 to 64 letters" in refused(path, setting, "labeling.reward_model=null")


def test_the_tags_of_a_column_need_a_column_for_labels_too(path: Path) -> None:
    message = "labeling.tagger `column` needs a file source with `tags_column`"
    assert refused(path, "labeling.tagger={kind: column}") == message


def test_the_tags_of_a_column_need_a_column(path: Path) -> None:
    message = "queries: tagger `column` needs a file source with `tags_column`"
    assert refused(path, "queries.tagger.kind=column") == message
    assert load_config(path, ["queries.tagger.kind=column", "queries.sources.0.tags_column=tags"])


@pytest.mark.parametrize("setting", ["prefer_metrics=true", "standardise=true", "beta_rows=100"])
def test_settings_for_outcomes_files_are_refused_in_a_run(path: Path, setting: str) -> None:
    assert f"labeling.{setting.partition('=')[0]} is for outcomes files" in refused(path, f"labeling.{setting}")
