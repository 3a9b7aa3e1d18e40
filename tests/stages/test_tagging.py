"""Tags for outcomes that bring none along: which rows get them, and what labels become by them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.tiny_models import save_encoder
from zooter_ray.artifacts import read_table
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.errors import DataError
from zooter_ray.labels import with_validation
from zooter_ray.outcomes import read_outcomes
from zooter_ray.schemas import LABELS
from zooter_ray.stages.labeling import run_on_outcomes
from zooter_ray.stages.labeling.tagging import with_tags

CITY, CODE = "What is the capital of France? {}", "def add(a, b): return {}"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoder"))


def config(encoder: Path, **changed: Any) -> LabelingConfig:
    tagger = {"kind": "clusters", "clusters": 2, "embedder": str(encoder)}
    return LabelingConfig.model_validate({"tagger": tagger, "beta": 0, "smooth": "rewards", **changed})


def written(path: Path, *rows: dict[str, Any]) -> str:
    """Outcomes of 40 queries: `left` is right on cities and wrong on code, `right` the other way round, but for chance.

    `rows` change the first ones.
    """
    lines = []
    for number in range(40):
        city, lucky = number % 2 == 0, number % 10 > 7
        row = {
            "query_id": f"q{number:02}",
            "query": (CITY if city else CODE).format(number),
            "rewards": {"left": float(city != lucky), "right": float(city == lucky)},
        }
        lines.append(json.dumps({**row, **(rows[number] if number < len(rows) else {})}))
    path.write_text("\n".join(lines))
    return str(path)


def test_queries_that_nothing_smooths_are_tagged_by_their_cluster(
    tmp_path: Path, encoder: Path, console: Console
) -> None:
    outcomes = read_outcomes(written(tmp_path / "o.jsonl", {"tags": ["geography"]}))
    tags = with_tags(outcomes, config(encoder), console).tags
    assert tags[0] == ["geography"]
    assert len({tag for row in tags[2::2] for tag in row}) == len({tag for row in tags[1::2] for tag in row}) == 1
    assert tags[2] != tags[1]
    assert with_tags(outcomes, config(encoder, tagger=None), console) is outcomes
    assert with_tags(outcomes, config(encoder, source_as_tag=True), console) is outcomes


def test_held_out_rows_alone_make_no_clusters(tmp_path: Path, encoder: Path, console: Console) -> None:
    held_out = read_outcomes(written(tmp_path / "e.jsonl", *[{"split": "eval"}] * 40))
    assert with_tags(held_out, config(encoder), console).tags == [[]] * 40


def test_validation_rows_enter_no_centre(tmp_path: Path, encoder: Path, console: Console) -> None:
    """All but one row validate: its cluster is that of all, where more rows would make two."""
    outcomes = read_outcomes(written(tmp_path / "o.jsonl"))
    assert len({tag for row in with_tags(outcomes, config(encoder), console).tags for tag in row}) == 2
    share = next(
        share for share in np.arange(0.99, 0, -0.01)
        if with_validation(outcomes, config(encoder, validation_share=share)).splits.count("train") == 1
    )  # fmt: skip
    tags = with_tags(outcomes, config(encoder, validation_share=share), console).tags
    assert len({tag for row in tags for tag in row}) == 1


@pytest.mark.parametrize("source_as_tag", [False, True])
def test_labels_of_a_file_without_tags_and_sources_follow_from_the_clusters(
    tmp_path: Path, encoder: Path, console: Console, source_as_tag: bool
) -> None:
    """By its own reward a fifth of the queries would go to the wrong expert; a source that all share is no tag."""
    path = written(tmp_path / "o.jsonl")
    labels, _ = run_on_outcomes(config(encoder, source_as_tag=source_as_tag), path, str(tmp_path / "run"), console)
    rows = read_table(labels.path, LABELS).sort_by("query_id").to_pylist()
    np.testing.assert_array_equal([np.argmax(row["label"]) for row in rows], [number % 2 for number in range(40)])


def test_a_file_whose_rows_are_all_held_out_is_named(tmp_path: Path, encoder: Path, console: Console) -> None:
    path = written(tmp_path / "o.jsonl", *[{"split": "eval"}] * 40)
    with pytest.raises(DataError, match=r"o\.jsonl: the `split` of every row is eval"):
        run_on_outcomes(config(encoder), path, str(tmp_path / "run"), console)


def test_several_sources_are_tags_enough(tmp_path: Path, encoder: Path, console: Console) -> None:
    path = written(tmp_path / "o.jsonl", {"source": "a"}, {"source": "b"})
    labels, _ = run_on_outcomes(config(encoder, source_as_tag=True), path, str(tmp_path / "run"), console)
    assert read_table(labels.path, LABELS)["tags"].to_pylist() == [[]] * 40
