"""Settings for distilling from an outcomes file: of a file of their own, a run's file, or overrides alone."""

from pathlib import Path

import pytest
import yaml

from zooter_ray.config import load_config, load_distill_config
from zooter_ray.config.run import DistillConfig, RunConfig
from zooter_ray.errors import ConfigError


def test_without_a_file_everything_has_its_default() -> None:
    assert load_distill_config(None) == DistillConfig()
    assert load_distill_config(None, ["training.epochs=7"]).training.epochs == 7


def test_the_file_of_a_run_serves_for_distilling_too(path: Path) -> None:
    run: RunConfig = load_config(path, ["labeling.beta=0.9"])
    config = load_distill_config(path, ["labeling.beta=0.9"])
    labeling = run.labeling.model_copy(update={"reward_model": None})  # the outcomes bring their rewards along
    assert config == DistillConfig(ray=run.ray, labeling=labeling, training=run.training)


def test_overrides_of_a_runs_file_may_be_for_outcomes_files(path: Path) -> None:
    asked = ["labeling.beta_rows=1500", "labeling.prefer_metrics=true", "labeling.tagger={kind: clusters, clusters: 5}"]
    labeling = load_distill_config(path, asked).labeling
    assert (labeling.beta_rows, labeling.prefer_metrics) == (1500, True)
    assert labeling.tagger is not None
    assert labeling.tagger.kind == "clusters"


def test_a_default_that_hangs_on_an_override_is_one_of_a_runs_file_too(path: Path) -> None:
    assert load_distill_config(path).training.pooling == "native"
    assert load_distill_config(path, ["training.frozen=true"]).training.pooling == "mean"


def test_what_labels_of_a_run_are_made_from_is_refused_for_an_outcomes_file() -> None:
    for setting, named in [("reward_model=judge", "reward_model"), ("reward_weights={judge: 1}", "reward_weights"),
                           ("tagger={kind: rules}", "tagger rules")]:  # fmt: skip
        with pytest.raises(ConfigError, match=rf"labeling\.{named} is for runs"):
            load_distill_config(None, [f"labeling.{setting}"])
    clusters = load_distill_config(None, ["labeling.tagger={kind: clusters, clusters: 5}"]).labeling.tagger
    assert clusters is not None
    assert clusters.kind == "clusters"


def test_a_file_of_its_own_holds_labeling_and_training_alone(tmp_path: Path) -> None:
    path = tmp_path / "distill.yaml"
    path.write_text(yaml.safe_dump({"labeling": {"beta": 0.5}, "training": {"epochs": 2}}))
    config = load_distill_config(path, ["training.epochs=4"])
    assert (config.labeling.beta, config.training.epochs) == (0.5, 4)
    with pytest.raises(ConfigError, match=r"distill\.yaml: unknown key 'training\.epoch'; did you mean 'epochs'\?$"):
        load_distill_config(path, ["training.epoch=4"])


def test_an_unknown_key_among_overrides_alone_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^overrides: unknown key 'trainin'; did you mean 'training'\?$"):
        load_distill_config(None, ["trainin.epochs=1"])
