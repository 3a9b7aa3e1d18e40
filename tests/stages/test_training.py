"""The training stage under Ray Train: one worker against two, a worker that dies, a run that is repeated."""

import io
import json
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import psutil
import pyarrow as pa
import pytest
import ray
from ray.train.v2._internal.state.util import is_actor_alive
from ray.util.state.exception import RayStateApiException
from rich.console import Console
from safetensors.numpy import load_file

from tests.tiny_models import save_bert
from zooter_ray.artifacts import Unit
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.training import TrainingConfig
from zooter_ray.errors import StageError
from zooter_ray.progress import new_console
from zooter_ray.router.data import TokenRows
from zooter_ray.router.directory import read_card
from zooter_ray.router.model import last_linear
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.stages import labeling, training
from zooter_ray.stages.training import features
from zooter_ray.stages.training.worker import router_at_start

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow]

EPOCHS = 4
LABELING = LabelingConfig(validation_share=0.3, temperature=0.5, beta=0.3, beta_rows=56)


def distilled(
    tmp_path: Path,
    console: Console,
    name: str,
    rewards: dict[str, float] | None = None,
    dropout: float = 0.1,
    validation_share: float = LABELING.validation_share,
    **settings: Any,
) -> Unit:
    labeling_config = LABELING.model_copy(update={"validation_share": validation_share})
    backbone = tmp_path / ("backbone" if dropout else "plain")
    if not backbone.exists():
        save_bert(backbone, 2, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    outcomes = tmp_path / "outcomes.jsonl"
    rows = [
        {
            "query_id": f"q{number:02}",
            "query": f"sum of {number}" if number % 2 else f"name of {number}",
            "rewards": rewards or {"adder": float(number % 2), "namer": float(1 - number % 2)},
        }
        for number in range(41)
    ]
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    labels, read = labeling.run_on_outcomes(labeling_config, str(outcomes), str(tmp_path / name), console)
    config = TrainingConfig.model_validate(
        {
            "backbone": str(backbone),
            "epochs": EPOCHS,
            "batch_size": 8,
            "max_length": 16,
            "learning_rate": 1e-3,
            **settings,
        }
    )
    return training.run(config, labeling_config, labels, read.experts, str(tmp_path / name), console)


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Unit]:
    """A router distilled by one worker, unharmed, and the folder it lies in."""
    folder = tmp_path_factory.mktemp("training")
    return folder, distilled(folder, Console(file=io.StringIO()), "one")


def test_two_workers_learn_what_one_worker_learns(tmp_path: Path, console: Console) -> None:
    """Without dropout, which is drawn anew for each worker; of the three workers of a range two find room.

    There is one validation row, so that a worker has none.
    """
    settings: dict[str, Any] = {"dropout": 0, "validation_share": 0.02}
    one = distilled(tmp_path, console, "one", **settings)
    two = distilled(tmp_path, console, "two", resources={"num_cpus": 3, "workers": (1, 3)}, **settings)
    calibration = read_card(one.path).calibration
    assert calibration is not None
    assert (calibration["rows"], calibration["at_bound"]) == (1, True)
    told = " ".join(cast("io.StringIO", console.file).getvalue().split())
    assert "not to be trusted: 1 validation rows on which experts differ ask for a temperature of 0.05" in told
    for epoch_of_one, epoch_of_two in zip(
        read_card(one.path).validation["epochs"], read_card(two.path).validation["epochs"], strict=True
    ):
        assert epoch_of_two == pytest.approx(epoch_of_one, rel=1e-3, abs=1e-6)
    queries = ["sum of 7", "name of 12", "something else"]
    assert RouterPredictor(two.path)(queries) == pytest.approx(RouterPredictor(one.path)(queries), abs=1e-3)


def test_the_neighbours_read_as_much_of_a_query_as_the_router(one_worker: tuple[Path, Unit]) -> None:
    assert read_card(one_worker[1].path).baselines["embedder_length"] == 16


def test_a_run_can_be_repeated_to_the_bit(one_worker: tuple[Path, Unit], console: Console) -> None:
    folder, one = one_worker
    handler = signal.getsignal(signal.SIGINT)
    again = distilled(folder, console, "again")
    assert signal.getsignal(signal.SIGINT) is handler, "Ctrl-C means again what it meant before"
    first, second = (load_file(Path(unit.path) / "model.safetensors") for unit in (one, again))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_the_heads_of_a_frozen_encoder_learn_from_embeddings_that_are_made_once(one_worker: tuple[Path, Unit]) -> None:
    folder, _ = one_worker
    settings = {"pooling": "mean", "hidden": 8, "head_start": "mean_label", "epochs": 20, "learning_rate": 0.05}
    first, second = (new_console(io.StringIO(), width=120) for _ in range(2))
    unit = distilled(folder, first, "frozen", frozen=True, keep="validation_value", **settings)
    other = distilled(folder, second, "frozen", frozen=True, epochs=1, min_steps=9)
    assert other.path != unit.path
    assert len(read_card(other.path).validation["epochs"]) == 3, "of four steps each: there are 28 rows, eight a step"
    told, told_then = (cast("io.StringIO", console.file).getvalue() for console in (first, second))
    assert "embedding queries: 41/41" in told
    assert "rows make" not in told
    assert "28 rows make 12 steps" in told_then
    assert "embedding queries" not in told_then
    card = read_card(unit.path)
    assert card.beta == pytest.approx(0.15), "of 56 rows half teach"
    assert card.validation["validation_value"] == 1.0
    values = [epoch["validation_value"] for epoch in card.validation["epochs"]]
    assert values.count(1.0) > 1
    assert card.validation["epoch"] == max(n for n, value in enumerate(values, 1) if value == 1.0), "Ray keeps the last"
    told_of = dict(card.validation, epochs=None)
    assert told_of == dict(card.validation["epochs"][card.validation["epoch"] - 1], epochs=None)
    assert card.calibration is not None
    assert card.calibration["ece_after"] <= card.calibration["ece_before"]
    assert card.onnx == {
        "inputs": ["input_ids", "attention_mask"],
        "outputs": ["logits"],
        "opset": 18,
        "file": "router.onnx",
    }
    encoder, backbone = (load_file(path / "model.safetensors") for path in (Path(unit.path), folder / "backbone"))
    kept = [name for name in encoder if name in backbone]
    assert len(kept) > 10
    assert all(np.array_equal(encoder[name], backbone[name]) for name in kept)
    routed = RouterPredictor(unit.path)(["sum of 7", "name of 12"])
    assert [card.experts[choice] for choice in routed.argmax(axis=1)] == ["adder", "namer"]


def test_features_depend_on_what_is_read_and_on_nothing_else() -> None:
    config = TrainingConfig(frozen=True)
    ids = pa.table({"token_ids": pa.array([[1, 2], [3]], pa.list_(pa.int32()))})

    def fingerprint(tokens: pa.Table = ids, **changed: Any) -> str:
        return features.unit(tokens, config.model_copy(update=changed), "05_router", "run").fingerprint

    assert fingerprint(learning_rate=1.0, hidden=8, epochs=9, seed=3, max_length=8) == fingerprint()
    moved = pa.table({"token_ids": pa.array([[1], [2, 3]], pa.list_(pa.int32()))})
    others = {fingerprint(moved), fingerprint(layers=4), fingerprint(backbone="xlm-roberta-base")}
    assert len(others | {fingerprint()}) == 4


def test_features_of_an_encoder_whose_files_changed_are_others(tmp_path: Path) -> None:
    ids = pa.table({"token_ids": pa.array([[1, 2]], pa.list_(pa.int32()))})
    config = TrainingConfig(frozen=True, backbone=str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"first")
    before = features.unit(ids, config, "05_router", "run")
    assert features.unit(ids, config, "05_router", "run") == before
    (tmp_path / "model.safetensors").write_bytes(b"second")
    assert features.unit(ids, config, "05_router", "run").fingerprint != before.fingerprint


def test_the_best_epoch_is_kept_and_training_ends_when_none_is_better_for_as_long_as_patience_lasts(
    one_worker: tuple[Path, Unit], console: Console
) -> None:
    unit = distilled(one_worker[0], console, "patient", epochs=12, learning_rate=0.5, patience=2)
    validation = read_card(unit.path).validation
    losses = [epoch["validation_loss"] for epoch in validation["epochs"]]
    assert len(losses) < 12
    assert min(losses[-2:]) >= min(losses[:-2])
    assert validation["validation_loss"] == min(losses)
    assert validation["epoch"] == 1 + losses.index(min(losses))


def test_rows_that_prefer_no_expert_are_nothing_to_learn_from(one_worker: tuple[Path, Unit], console: Console) -> None:
    with pytest.raises(StageError, match=r"experts differ in their rewards \(0 for train, \d+ for validation;"):
        distilled(one_worker[0], console, "equal", rewards={"adder": 1.0, "namer": 1.0})


def test_a_head_may_start_at_the_mean_label_of_the_rows_that_count(tmp_path: Path) -> None:
    config = TrainingConfig(backbone=str(save_bert(tmp_path, 2)), head_start="mean_label")
    rows = SimpleNamespace(
        label_QM=np.array([[0.9, 0.1], [0.5, 0.5], [0.0, 1.0]], np.float32), weight_Q=np.array([1.0, 1.0, 0.0])
    )
    router = router_at_start(config, ["adder", "namer"], cast("TokenRows", rows))
    assert not last_linear(router).weight.any()
    np.testing.assert_allclose(last_linear(router).bias.detach().numpy(), np.log([0.7, 0.3]), rtol=1e-6)


@pytest.mark.parametrize("split", [["train", "train", "validation"], ["train"] * 4])
def test_fewer_rows_than_experts_are_too_few(split: list[str]) -> None:
    tokens = pa.table({"weight": [1.0] * len(split), "split": split})
    with pytest.raises(StageError, match=r"too few rows on which experts differ .*; 3 experts need as many to train"):
        training.learned_rows(tokens, experts=3)
    enough = pa.table({"weight": [1.0, 1.0, 1.0, 0.0, 1.0], "split": ["train"] * 4 + ["validation"]})
    assert training.learned_rows(enough, experts=3) == 3


def test_a_loss_that_is_not_finite_ends_it_at_once(one_worker: tuple[Path, Unit], console: Console) -> None:
    with pytest.raises(
        StageError, match=r"the loss of epoch 1 is not finite; a smaller training\.learning_rate may help"
    ):
        distilled(one_worker[0], console, "not finite", learning_rate=1e30, clip_norm=None)


def test_a_killed_worker_is_replaced_and_goes_on_from_its_last_checkpoint(
    one_worker: tuple[Path, Unit], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "1")  # an epoch: time enough to kill the worker in between
    folder, unharmed = one_worker
    killed: list[int] = []
    killer = threading.Thread(target=kill_worker_after_a_checkpoint, args=(folder / "killed", killed))
    killer.start()
    survivor = distilled(folder, console, "killed")
    killer.join()
    assert killed, "the worker was killed in the middle"
    told = cast("io.StringIO", console.file).getvalue()
    assert f"training: {28 * EPOCHS}/{28 * EPOCHS} rows" in told, "what was trained again is not counted twice"
    assert read_card(survivor.path).validation == read_card(unharmed.path).validation
    queries = ["sum of 7", "name of 12"]
    assert RouterPredictor(survivor.path)(queries) == pytest.approx(RouterPredictor(unharmed.path)(queries), abs=1e-6)


def test_what_watches_over_a_training_asks_no_other_ray_on_this_machine() -> None:
    """Ray Train's would take a training that another Ray does not know for one whose driver is dead, and end it."""
    with pytest.raises(RayStateApiException, match=r"Failed to make request to http://127\.0\.0\.1:9/"):
        ray.get(ray.remote(is_actor_alive).remote("00" * 16, timeout=5))


def kill_worker_after_a_checkpoint(run_dir: Path, killed: list[int]) -> None:
    """SIGKILL the one training worker once a checkpoint is there, but before the last one."""
    deadline = time.monotonic() + 120
    while not killed and time.monotonic() < deadline:
        if list(run_dir.rglob("checkpoint_*/training_state.pt")):
            for process in psutil.Process().children(recursive=True):
                if "RayTrainWorker" in " ".join(process.cmdline()):
                    process.kill()
                    killed.append(process.pid)
        time.sleep(0.05)
