"""The router directory and its zooter.json."""

import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig

from tests.tiny_models import router_card
from zooter_ray.errors import ArtifactError
from zooter_ray.router.directory import RouterCard, check_pool, read_card

EXPERTS = ["vicuna", "llama"]


def write(directory: Path, card: Any, id2label: dict[str, str] | None) -> Path:
    """The two files of a router directory that say who the experts are."""
    (directory / "zooter.json").write_text(card if isinstance(card, str) else json.dumps(card))
    config = {"model_type": "bert"} if id2label is None else {"model_type": "bert", "id2label": id2label}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


LABELS = {"0": "vicuna", "1": "llama"}


def test_a_card_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    card = router_card(EXPERTS, same_weights={"llama": "vicuna"}, calibration={"temperature": 1.5})
    assert read_card(write(tmp_path, card.to_json(), LABELS)) == card
    assert read_card(str(tmp_path)) == card


def test_what_a_later_version_adds_is_no_error_and_what_was_added_later_has_a_default(tmp_path: Path) -> None:
    content = {**router_card(EXPERTS).to_json(), "colour": "red"}
    del content["same_weights"], content["format_version"], content["onnx"]
    assert read_card(write(tmp_path, content, LABELS)) == router_card(EXPERTS)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path, router_card(EXPERTS).to_json() | {"format_version": 2}, LABELS)
    with pytest.raises(ArtifactError, match=r"zooter\.json has format 2, this zooter_ray reads format 1"):
        read_card(tmp_path)


def test_experts_are_compared_in_the_order_of_the_classes_also_beyond_ten(tmp_path: Path) -> None:
    experts = [f"expert-{number}" for number in range(12)]
    labels = {str(number): expert for number, expert in enumerate(experts)}
    shuffled = dict(sorted(labels.items()))  # "10" and "11" come before "2"
    assert read_card(write(tmp_path, router_card(experts).to_json(), shuffled)).experts == experts


@pytest.mark.parametrize("missing", ["zooter.json", "config.json"])
def test_a_directory_without_one_of_the_two_files_is_no_router_directory(tmp_path: Path, missing: str) -> None:
    write(tmp_path, router_card(EXPERTS).to_json(), LABELS)
    (tmp_path / missing).unlink()
    with pytest.raises(ArtifactError, match=rf"^{tmp_path} is no router directory: it has no {missing}$"):
        read_card(tmp_path)


def test_experts_may_be_called_like_the_classes_that_transformers_leaves_out(tmp_path: Path) -> None:
    experts = ["LABEL_0", "LABEL_1"]
    BertConfig(id2label=dict(enumerate(experts))).save_pretrained(tmp_path)
    assert "id2label" not in json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "zooter.json").write_text(json.dumps(router_card(experts).to_json()))
    assert read_card(tmp_path).experts == experts


def test_a_directory_that_does_not_exist_is_no_router_directory(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is no router directory"):
        read_card(tmp_path / "nothing")


@pytest.mark.parametrize(
    "labels",
    [
        {"0": "llama", "1": "vicuna"},
        {"0": "vicuna", "1": "llama", "2": "wizard"},
        {"0": "vicuna"},
        {"0": "LABEL_0", "1": "LABEL_1"},
        None,
    ],
)
def test_classes_that_are_not_the_experts_in_order_are_refused(tmp_path: Path, labels: dict[str, str] | None) -> None:
    write(tmp_path, router_card(EXPERTS).to_json(), labels)
    with pytest.raises(ArtifactError, match=r"config\.json and zooter\.json name different experts$"):
        read_card(tmp_path)


REQUIRED = [entry.name for entry in fields(RouterCard) if entry.default is entry.default_factory is MISSING]


@pytest.mark.parametrize("key", REQUIRED)
def test_a_card_that_lacks_a_key_names_it(tmp_path: Path, key: str) -> None:
    content = router_card(EXPERTS).to_json()
    del content[key]
    with pytest.raises(ArtifactError, match=rf"zooter\.json lacks a key: .*'{key}'"):
        read_card(write(tmp_path, content, LABELS))


@pytest.mark.parametrize(("content", "complaint"), [("{", "is not valid JSON"), ("[1]", "must hold a JSON object")])
def test_a_card_that_is_no_json_object_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    with pytest.raises(ArtifactError, match=rf"zooter\.json {complaint}"):
        read_card(write(tmp_path, content, LABELS))


def test_a_pool_in_another_order_is_the_same_pool() -> None:
    check_pool(router_card(EXPERTS), ["llama", "vicuna"], "router", "outcomes.jsonl")


@pytest.mark.parametrize("experts", [["vicuna"], ["llama", "vicuna", "wizard"], ["llama", "wizard"], []])
def test_another_pool_is_refused_with_both_named(experts: list[str]) -> None:
    with pytest.raises(ArtifactError) as raised:
        check_pool(router_card(EXPERTS), experts, "runs/router", "outcomes.jsonl")
    assert str(raised.value) == (
        f"router runs/router routes to vicuna, llama, but outcomes.jsonl has the experts {', '.join(experts)}"
    )
