"""From the best checkpoint to a router directory: calibrated, whole, and in the forms in which others load it."""

import posixpath
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray.train
from safetensors.torch import load_model
from scipy.special import softmax

from zooter_ray.artifacts import write_bytes, write_json
from zooter_ray.config.training import TrainingConfig
from zooter_ray.evaluation.baselines import best_single
from zooter_ray.evaluation.calibration import expected_calibration_error, reliability
from zooter_ray.evaluation.learned import learned_from_json
from zooter_ray.labels import has_preference
from zooter_ray.outcomes import best_share
from zooter_ray.router.calibration import at_bound, fit_temperature
from zooter_ray.router.caution import caution_bias
from zooter_ray.router.data import TokenRows
from zooter_ray.router.directory import ONNX_FILE, ZOOTER_JSON, RouterCard
from zooter_ray.router.export import export_onnx
from zooter_ray.router.model import (
    WEIGHTS_FILE,
    fold_bias,
    fold_temperature,
    new_router,
    new_tokenizer,
    parameters_of,
    trained_part,
)
from zooter_ray.stages.training.worker import LOGITS_FILE, validation_figures


def publish(
    checkpoint: ray.train.Checkpoint, card: RouterCard, config: TrainingConfig, tokens: pa.Table, directory: str
) -> RouterCard:
    """Write a router directory from a checkpoint; zooter.json comes last, and is returned."""
    router = new_router(config, card.experts)
    with checkpoint.as_directory() as saved:
        load_model(trained_part(router, config.frozen), Path(saved) / WEIGHTS_FILE)
        logits_QM = np.load(Path(saved) / LOGITS_FILE)
    card = replace(card, parameters=parameters_of(router))
    validation = TokenRows(tokens, "validation", pad_token_id=0)
    if config.caution is not None:
        card, logits_QM = made_cautious(router, card, logits_QM, validation, config)
    if config.calibrate:
        found = calibration(logits_QM, validation.value_QM)
        fold_temperature(router, found["temperature"])
        card = replace(card, calibration=found)
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = new_tokenizer(config.backbone, config.truncation_side)
        router.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        if config.onnx:
            card = replace(card, onnx=export_onnx(router, tokenizer, Path(scratch) / ONNX_FILE).to_json())
        for file in sorted(Path(scratch).iterdir()):
            write_bytes(posixpath.join(directory, file.name), file.read_bytes())
    write_json(posixpath.join(directory, ZOOTER_JSON), card.to_json())
    return card


def made_cautious(
    router: Any, card: RouterCard, logits_QM: np.ndarray, validation: TokenRows, config: TrainingConfig
) -> tuple[RouterCard, np.ndarray]:
    """Raise the logit of the best single expert: of the router, on its card, and in the validation rows' logits."""
    assert config.caution is not None, "asked for only with caution"
    best = best_single(learned_from_json(card.baselines, None))
    column = card.experts.index(best)
    bias = caution_bias(logits_QM, column, config.caution)
    fold_bias(router, column, bias)
    raised_QM = logits_QM + bias * np.eye(len(card.experts))[column]
    value = validation_figures(raised_QM, validation, config.loss)["validation_value"]
    found = {"expert": best, "share": config.caution, "bias": bias, "validation_value": value}
    return replace(card, caution=found), raised_QM


def calibration(logits_QM: np.ndarray, value_QM: np.ndarray) -> dict[str, Any]:
    """The temperature that validation rows ask for, and the expected calibration error without and with it.

    Only rows on which experts differ are asked, which `rows` counts; where there is none, the temperature stays 1.
    """
    differ_Q = has_preference(value_QM)
    fitted = logits_QM[differ_Q], best_share(value_QM[differ_Q])
    temperature = fit_temperature(*fitted) if differ_Q.any() else 1.0

    def error(scale: float) -> float | None:
        return expected_calibration_error(reliability(softmax(logits_QM / scale, axis=1), value_QM))

    return {
        "temperature": temperature,
        "at_bound": bool(differ_Q.any()) and at_bound(*fitted, temperature),
        "rows": int(differ_Q.sum()),
        "ece_before": error(1.0),
        "ece_after": error(temperature),
    }
