"""The training stage under Ray Train: one worker against two, a worker that dies, a run that is repeated."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import load_file

from tests.tiny_models import save_bert
from zooter_ray.artifacts import Unit
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.training import TrainingConfig
from zooter_ray.router.directory import read_card
from zooter_ray.stages import labeling, training

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow]

LABELING = LabelingConfig(validation_share=0.3, temperature=0.5)


def distilled(tmp_path: Path, console: Console, name: str, **settings: Any) -> Unit:
    backbone = tmp_path / "backbone"
    if not backbone.exists():
        save_bert(backbone, 2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    outcomes = tmp_path / "outcomes.jsonl"
    rows = [
        {
            "query_id": f"q{number:02}",
            "query": f"sum of {number}" if number % 2 else f"name of {number}",
            "rewards": {"adder": float(number % 2), "namer": float(1 - number % 2)},
        }
        for number in range(41)
    ]
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    labels, read = labeling.run_on_outcomes(LABELING, str(outcomes), str(tmp_path / name), console)
    config = TrainingConfig.model_validate(
        {"backbone": str(backbone), "epochs": 2, "batch_size": 8, "max_length": 16, "learning_rate": 1e-3, **settings}
    )
    return training.run(config, LABELING, labels, read.experts, str(tmp_path / name), console)


def weights(unit: Unit) -> dict[str, np.ndarray]:
    return dict(load_file(Path(unit.path) / "model.safetensors"))


def test_two_workers_learn_what_one_worker_learns(tmp_path: Path, console: Console) -> None:
    one = distilled(tmp_path, console, "one")
    two = distilled(tmp_path, console, "two", resources={"num_cpus": 1, "workers": 2})
    for epoch_of_one, epoch_of_two in zip(
        read_card(one.path).validation["epochs"], read_card(two.path).validation["epochs"], strict=True
    ):
        assert epoch_of_two == pytest.approx(epoch_of_one, rel=1e-4)
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    assert all(np.allclose(first[name], second[name], atol=1e-4) for name in first)


def test_a_run_can_be_repeated_to_the_bit(tmp_path: Path, console: Console) -> None:
    first, second = (weights(distilled(tmp_path, console, name)) for name in ("first", "second"))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_the_best_epoch_is_kept(tmp_path: Path, console: Console) -> None:
    unit = distilled(tmp_path, console, "run", epochs=3, learning_rate=0.5)
    validation = read_card(unit.path).validation
    losses = [epoch["validation_loss"] for epoch in validation["epochs"]]
    assert len(losses) == 3
    assert validation["validation_loss"] == min(losses)
    assert validation["epoch"] == 1 + losses.index(min(losses))
