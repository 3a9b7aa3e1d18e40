"""From a checkpoint to a router directory: caution and the temperature, both folded into the last layer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray.train
import torch
from safetensors.torch import save_model

from tests.tiny_models import router_card, save_bert
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.training import TrainingConfig
from zooter_ray.evaluation.learned import learn, rows_of_labels
from zooter_ray.labels import has_preference, label_table
from zooter_ray.outcomes import best_share, read_outcomes
from zooter_ray.router.calibration import fit_temperature
from zooter_ray.router.caution import caution_bias
from zooter_ray.router.data import TokenRows, tokenise
from zooter_ray.router.directory import RouterCard, read_card
from zooter_ray.router.distill import logits_of
from zooter_ray.router.model import WEIGHTS_FILE, last_linear, new_router, new_tokenizer, trained_part
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.stages.training.publishing import calibration, publish
from zooter_ray.stages.training.worker import LOGITS_FILE

EXPERTS = ["adder", "namer"]


def published(folder: Path, **settings: Any) -> tuple[RouterCard, np.ndarray, np.ndarray]:
    """A router's card, its logits of the validation rows up to a constant per row, and what those rows are worth."""
    rows = []
    for number in range(41):
        query = f"sum of {number}" if number % 3 else f"name of {number}"
        adds = (number % 3 > 0) != (number % 7 == 0)  # one in seven is answered by the other
        rewards = {"adder": float(adds), "namer": float(not adds)}
        rows.append({"query_id": f"q{number:02}", "query": query, "rewards": rewards})
    outcomes = folder / "outcomes.jsonl"
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    backbone = save_bert(folder / "backbone", 2)
    config = TrainingConfig.model_validate(
        {"backbone": str(backbone), "pooling": "mean", "max_length": 16, "embedder": None, **settings}
    )
    table = label_table(read_outcomes(str(outcomes)), LabelingConfig(validation_share=0.3))
    tokenizer = new_tokenizer(config.backbone)
    tokens = tokenise(table, tokenizer, config)
    validation = TokenRows(tokens, "validation", tokenizer.pad_token_id)
    router = new_router(config, EXPERTS)
    with torch.no_grad():
        last_linear(router).weight.mul_(-5)  # far from even and mostly right, as after training
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    save_model(trained_part(router, config.frozen), str(checkpoint / WEIGHTS_FILE))
    np.save(checkpoint / LOGITS_FILE, logits_of(router, validation, config))
    card = router_card(
        EXPERTS, pooling="mean", max_length=16, baselines=learn(rows_of_labels(table, EXPERTS)).to_json()
    )
    publish(ray.train.Checkpoint.from_directory(checkpoint), card, config, tokens, str(folder / "router"))
    queries = table.filter([split == "validation" for split in table["split"].to_pylist()])["query"].to_pylist()
    return read_card(folder / "router"), np.log(RouterPredictor(folder / "router")(queries)), validation.value_QM


def test_where_no_validation_row_tells_experts_apart_probabilities_stay_as_they_are() -> None:
    found = calibration(np.array([[3.0, 0.0], [0.0, 1.0]]), np.ones((2, 2)))
    assert found == {"temperature": 1.0, "at_bound": False, "rows": 0, "ece_before": None, "ece_after": None}


def test_rows_on_which_experts_are_worth_the_same_do_not_flatten_probabilities() -> None:
    """Three of four choices made with logits (1, 0) are right: the temperature is that of log 3."""
    logits_QM = np.tile([1.0, 0.0], (14, 1))
    value_QM = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]] + [[1.0, 1.0]] * 10)
    found = calibration(logits_QM, value_QM)
    assert (found["rows"], found["temperature"]) == (4, pytest.approx(1 / np.log(3), rel=1e-3))
    assert found["ece_before"] == pytest.approx(0.75 - 1 / (1 + np.exp(-1)))
    assert found["ece_after"] == pytest.approx(0, abs=1e-3)


def test_caution_raises_the_logit_of_the_best_single_expert_and_calibration_follows(tmp_path: Path) -> None:
    made = {}
    for name, settings in {
        "bold": {"calibrate": False},
        "cautious": {"calibrate": False, "caution": 0.3},
        "both": {"caution": 0.3},
    }.items():
        (tmp_path / name).mkdir()
        made[name] = published(tmp_path / name, **settings)
    lead = {name: logits_QM[:, 0] - logits_QM[:, 1] for name, (_, logits_QM, _) in made.items()}
    card, logits_QM, value_QM = made["cautious"]
    assert made["bold"][0].caution is None
    assert card.caution is not None
    assert card.caution["expert"] == "adder", "two thirds of the queries are sums"
    assert card.caution["bias"] > 0.01
    assert card.caution["bias"] == pytest.approx(caution_bias(made["bold"][1], 0, 0.3), abs=1e-5)
    assert lead["cautious"] - lead["bold"] == pytest.approx(card.caution["bias"], abs=1e-5)
    assert card.caution["validation_value"] == value_QM[np.arange(len(value_QM)), logits_QM.argmax(axis=1)].mean()
    found = made["both"][0].calibration
    assert found is not None
    rows = has_preference(value_QM)
    temperature = fit_temperature(logits_QM[rows], best_share(value_QM[rows]))
    assert found["temperature"] == pytest.approx(temperature, rel=1e-3)
    assert lead["both"] * temperature == pytest.approx(lead["cautious"], rel=1e-3)
