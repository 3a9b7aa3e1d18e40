"""Which point of a search is the best, on figures worked out by hand, and what is pruned meanwhile."""

import json
from pathlib import Path

import pytest

from zooter_ray.artifacts import moved
from zooter_ray.config import DistillConfig
from zooter_ray.config.tuning import TuneConfig
from zooter_ray.errors import ArtifactError
from zooter_ray.stages.tuning import prune
from zooter_ray.stages.tuning.experiment import Experiment, Trial, from_anywhere
from zooter_ray.stages.tuning.ranking import best_trial, ranked
from zooter_ray.stages.tuning.summary import keep_router

VALUES = {0: 0.9, 1: 0.1, 2: 0.6, 3: 0.7, 4: 1.0}  # trial -> validation value; trial 5 is not done


def experiment(directory: Path, metric: str = "validation_value", setting: str = "training.epochs") -> Experiment:
    """Three points with two seeds each: means 0.5 and 0.65, and one that is not whole."""
    config = TuneConfig.model_validate({"tuning": {"space": {setting: [1, 2, 3]}, "seeds": [0, 1], "metric": metric}})
    trials = [
        Trial(number, number // 2, {setting: 1 + number // 2}, number % 2, config, str(directory / f"{number}"))
        for number in range(6)
    ]
    for number, value in VALUES.items():
        (directory / f"{number}" / "05_router").mkdir(parents=True)
        result = {"validation_value": value, "validation_loss": value, "trial": number}
        (directory / f"{number}" / "result.json").write_text(json.dumps(result))
    (directory / "5" / "05_router").mkdir(parents=True)
    return Experiment(config, directory, trials)


def test_points_are_compared_by_the_mean_over_their_seeds_and_only_whole_ones(tmp_path: Path) -> None:
    found = experiment(tmp_path)
    points = ranked(found, found.results())
    assert [point.values["training.epochs"] for point in points] == [2, 1, 3]
    assert round(points[0].mean("validation_value"), 9) == 0.65
    assert round(points[0].deviation("validation_value"), 9) == round(0.005**0.5, 9)  # (0.05² + 0.05²) / (2 - 1)
    assert best_trial(found, points[0]).number == 3


def test_a_loss_is_better_the_lower_it_is(tmp_path: Path) -> None:
    found = experiment(tmp_path, "validation_loss")
    points = ranked(found, found.results())
    assert [point.values["training.epochs"] for point in points] == [1, 2, 3]
    assert best_trial(found, points[0]).number == 1


def test_between_equal_values_the_lower_loss_decides(tmp_path: Path) -> None:
    found = experiment(tmp_path)
    results = {
        number: {"validation_value": 1.0, "validation_loss": loss} for number, loss in enumerate([4, 4, 3, 1, 2, 3])
    }
    assert [point.values["training.epochs"] for point in ranked(found, results)] == [2, 3, 1]


def test_losses_under_different_labels_decide_nothing(tmp_path: Path) -> None:
    found = experiment(tmp_path, setting="labeling.temperature")
    results = {number: {"validation_value": 1.0, "validation_loss": 9.0 - number} for number in range(6)}
    assert [point.values["labeling.temperature"] for point in ranked(found, results)] == [1, 2, 3]


def test_a_search_that_was_moved_keeps_the_router_that_is_there(tmp_path: Path) -> None:
    found = experiment(tmp_path)
    unit = tmp_path / "3/05_router/router/0123"
    unit.mkdir(parents=True)
    (unit / "manifest.json").touch()
    keep_router(found, moved("/elsewhere/trials/3/05_router/router/0123", found.trials[3].directory))
    assert (tmp_path / "router").is_dir()
    assert not list(tmp_path.glob("*/05_router"))


def test_a_best_router_that_is_nowhere_costs_no_other(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="the best router is neither /gone nor"):
        keep_router(experiment(tmp_path), "/gone")
    assert len(list(tmp_path.glob("*/05_router"))) == 6


def test_models_are_found_from_the_directory_that_a_trial_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models/enc").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    tagger = {"kind": "clusters", "clusters": 4, "embedder": "./models/enc"}
    config = DistillConfig.model_validate({"training": {"backbone": "models/enc"}, "labeling": {"tagger": tagger}})
    found = from_anywhere(config)
    assert found.training.backbone == f"{tmp_path}/models/enc"
    assert found.labeling.tagger == config.labeling.tagger.model_copy(update={"embedder": f"{tmp_path}/models/enc"})


def test_routers_of_the_best_point_and_of_those_that_are_not_whole_stay(tmp_path: Path) -> None:
    prune(experiment(tmp_path))
    assert sorted(path.parent.name for path in tmp_path.glob("*/05_router")) == ["2", "3", "4", "5"]
    assert len(list(tmp_path.glob("*/result.json"))) == 5
