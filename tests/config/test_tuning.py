"""What a search holds, and what it refuses before anything starts."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from zooter_ray.config.queries import ClustersTagger
from zooter_ray.config.tuning import TuneConfig, load_tune_config
from zooter_ray.errors import ConfigError


def search(**tuning: Any) -> TuneConfig:
    space = {"training.learning_rate": ["1e-5", 3e-5], "labeling.beta": [0, 1]}
    return TuneConfig.model_validate({"tuning": {"space": space, **tuning}})


def test_a_grid_holds_every_combination_as_the_settings_read_it() -> None:
    assert search().points() == [
        {"labeling.beta": beta, "training.learning_rate": rate} for beta in (0.0, 1.0) for rate in (1e-5, 3e-5)
    ]


def test_values_that_are_mappings_are_written_as_they_are_read() -> None:
    points = search(space={"labeling.tagger": [None, {"kind": "clusters", "clusters": 4}]}).points()
    assert points[0] == {"labeling.tagger": None}
    assert json.loads(json.dumps(points[1]))["labeling.tagger"]["clusters"] == 4
    assert search().at(points[1]).labeling.tagger == ClustersTagger(kind="clusters", clusters=4)


def test_what_is_searched_may_decide_a_default() -> None:
    config = search(space={"training.frozen": [False, True]})
    assert [config.at(point).training.pooling for point in config.points()] == ["native", "mean"]


def test_the_order_of_the_points_does_not_depend_on_the_order_in_the_file() -> None:
    assert search(space={"training.epochs": [1, 2], "labeling.beta": [0, 1]}).points() == [
        {"labeling.beta": beta, "training.epochs": epochs} for beta in (0.0, 1.0) for epochs in (1, 2)
    ]


def test_a_point_changes_what_it_names_and_nothing_else() -> None:
    config = search()
    changed = config.at({"labeling.beta": 0.7, "training.epochs": 9})
    assert (changed.labeling.beta, changed.training.epochs) == (0.7, 9)
    assert changed.training.model_copy(update={"epochs": config.training.epochs}) == config.training


def test_random_points_lie_within_their_ranges_and_more_trials_begin_with_the_same() -> None:
    space = {
        "training.learning_rate": {"low": 1e-6, "high": 1e-2, "log": True},
        "training.epochs": {"low": 1, "high": 3},
        "labeling.beta": {"low": 0, "high": 1},
        "training.loss": ["kl", "reverse_kl"],
    }
    points = search(search="random", trials=200, space=space).points()
    assert {point["training.epochs"] for point in points} == {1, 2, 3}
    assert {point["training.loss"] for point in points} == {"kl", "reverse_kl"}
    logs = [math.log10(point["training.learning_rate"]) for point in points]
    assert -6 <= min(logs) < -5.5
    assert -2.5 < max(logs) <= -2
    assert sum(logs) / len(logs) == pytest.approx(-4, abs=0.3)
    assert sum(point["labeling.beta"] for point in points) / len(points) == pytest.approx(0.5, abs=0.1)
    assert search(search="random", trials=50, space=space).points() == points[:50]


def test_a_range_of_a_setting_that_may_be_none_or_a_word_is_drawn_as_its_numbers_are() -> None:
    space = {"training.patience": {"low": 2, "high": 4}, "labeling.prior_rows": {"low": 0, "high": 10}}
    points = search(search="random", trials=50, space=space).points()
    assert {point["training.patience"] for point in points} == {2, 3, 4}
    assert len({point["labeling.prior_rows"] for point in points}) == 50


def test_a_small_space_gives_each_of_its_points_once() -> None:
    space = {"training.epochs": {"low": 1, "high": 3}}
    points = search(search="random", trials=3, space=space).points()
    assert sorted(point["training.epochs"] for point in points) == [1, 2, 3]
    with pytest.raises(ConfigError, match="about 3 points, fewer than 4 trials"):
        search(search="random", trials=4, space=space).points()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["tuning.space.labeling.betta=[1]"], "tuning.space: unknown key 'labeling.betta'; did you mean 'beta'?"),
        (["tuning.space.labeling.beta=[0, 2]"], "labeling.beta: Input should be less than or equal to 1"),
        (["tuning.space.labeling.beta=[1, 1.0]"], "holds labeling.beta = 1.0, training.learning_rate = 1e-05 twice"),
        (["tuning.space.labeling.beta=[]"], "labeling.beta has no values"),
        (["tuning.space.labeling.beta={low: 0, high: 1}"], "labeling.beta must be a list of values in a grid"),
        (["tuning.space.labeling.beta={from: 0, to: 1}"], "takes a list or low, high and log, not 'from'"),
        (["tuning.space.labeling.beta={low: 1, high: 0}"], "low must be below high, not 1 and 0"),
        (["tuning.space.training.epochs=[one]"], "training.epochs: Input should be a valid integer"),
        (["tuning.space={1: [2], labeling.beta: [1]}"], "tuning.space.1.[key]: Input should be a valid string"),
        (["tuning.search=random"], "a random search needs trials"),
        (["tuning.trials=3"], "trials is for search: random"),
        (["tuning.space.ray.num_cpus=[1]"], "ray takes a list or low, high and log, not 'num_cpus'"),
        (["tuning.space={serving: [1]}"], "'serving' is no setting of labeling or training"),
        (["tuning.space.labeling.seed=[0, 1]"], "it decides which rows are held out"),
        (["tuning.space.training.seed=[0, 1]"], "tuning.seeds averages over seeds instead"),
        (["tuning.space.training.caution=[0, 0.02]"], "it is for tasks that no row is of"),
        (["tuning.metric=validation_loss"], "losses of trials that differ in labeling.beta cannot be compared"),
        (
            ["tuning.metric=validation_loss", "tuning.space={training.class_balance: [true, false]}"],
            "losses of trials that differ in training.class_balance cannot be compared",
        ),
        (["tuning.seeds=[1, 1]"], "seeds holds a seed twice"),
        (["tuning.space={}"], "nothing to search"),
        (["tuning.trails=3"], "unknown key 'tuning.trails'; did you mean 'trials'?"),
        (
            ["tuning.search=random", "tuning.trials=2", "tuning.space.training.loss={low: 1, high: 2}"],
            "training.loss is no number, so it needs a list",
        ),
        (
            ["tuning.search=random", "tuning.trials=2", "tuning.space.training.epochs={low: 0, high: 2}"],
            "training.epochs: Input should be greater than or equal to 1",
        ),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(tmp_path: Path, overrides: list[str], sentence: str) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(yaml.safe_dump({"tuning": search().model_dump(mode="json")["tuning"]}))
    with pytest.raises(ConfigError) as refused:
        load_tune_config(path, overrides)
    assert sentence in refused.value.sentence


def test_the_number_of_trials_can_be_given_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text("tuning: {search: random, trials: 2, space: {labeling.beta: {low: 0, high: 1}}}")
    assert len(load_tune_config(path, trials=5).points()) == 5
