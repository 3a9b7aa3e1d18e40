"""Distillation: the loss falls, a run can be repeated, and the number of workers does not matter."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from tests import tiny_models
from zooter_ray.config.training import TrainingConfig
from zooter_ray.router.data import TOKENS, TokenRows
from zooter_ray.router.distill import batch_loss, logits_of, make_optimizer, train_epoch
from zooter_ray.router.losses import mean_loss
from zooter_ray.router.model import new_router, new_tokenizer

RED, BLUE, NOISE = 10, 11, range(12, 40)


def token_rows(rows: int, seed: int = 0) -> TokenRows:
    """Queries of a few random tokens; one of them is red or blue, and that is what decides between two experts."""
    random = np.random.default_rng(seed)
    table = []
    for _ in range(rows):
        red = bool(random.integers(2))
        ids = random.choice(list(NOISE), size=random.integers(2, 7)).tolist()
        ids[random.integers(len(ids))] = RED if red else BLUE
        label = [0.9, 0.1] if red else [0.1, 0.9]
        known = {"label": label, "value": label, "weight": 1.0, "source": "all", "split": "train"}
        table.append({"token_ids": ids, **known})
    return TokenRows(pa.Table.from_pylist(table, schema=TOKENS), "train", pad_token_id=0)


def model(dropout: float = 0.0) -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40,
        num_labels=2,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        **tiny_models.SHAPE,
    )
    return BertForSequenceClassification(config)


def held_out_loss(router: Any, rows: TokenRows, loss: str = "kl", batch_size: int = 8) -> float:
    logits_QM = logits_of(router, rows, TrainingConfig(batch_size=batch_size))
    return mean_loss(loss, logits_QM, rows.label_QM, rows.weight_Q)


def constant(optimizer: torch.optim.Optimizer) -> Any:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)


def parameters(module: torch.nn.Module) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(module.parameters()).detach()


def distilled(config: TrainingConfig, rows: TokenRows, dropout: float = 0.0) -> tuple[Any, list[float]]:
    """A trained router and the mean training loss of each epoch."""
    router = model(dropout)
    optimizer, schedule = make_optimizer(router, config, len(rows))
    losses = []
    for epoch in range(config.epochs):
        found = list(train_epoch(router, optimizer, schedule, rows, config, epoch))
        assert sum(count for _, count in found) == len(rows)
        losses.append(sum(loss for loss, _ in found) / len(rows))
    return router, losses


# Learning


@pytest.mark.parametrize("loss", ["kl", "reverse_kl", "hard_label"])
def test_the_loss_falls_where_a_word_decides(loss: str) -> None:
    config = TrainingConfig(loss=loss, learning_rate=1e-2, epochs=6, batch_size=16)
    rows, unseen = token_rows(128), token_rows(64, seed=1)
    router, losses = distilled(config, rows)
    assert losses[-1] < losses[0] / 3
    before, after = (held_out_loss(candidate, unseen, loss) for candidate in (model(), router))
    assert after < before / 3
    assert (logits_of(router, unseen, config).argmax(axis=1) == unseen.label_QM.argmax(axis=1)).mean() > 0.95


def test_a_run_can_be_repeated_and_another_seed_gives_another_router() -> None:
    config = TrainingConfig(learning_rate=1e-2, epochs=2, batch_size=16)
    first, _ = distilled(config, token_rows(40))
    again, _ = distilled(config, token_rows(40))
    other, _ = distilled(config.model_copy(update={"seed": 1}), token_rows(40))
    assert torch.equal(parameters(first), parameters(again))
    assert not torch.equal(parameters(first), parameters(other))


# Any number of workers


def train_together(rows: TokenRows, config: TrainingConfig, world_size: int) -> tuple[torch.Tensor, list[float]]:
    """Workers in lockstep by plain gradient descent; parameters are averaged after each step.

    A step of plain gradient descent is linear in the gradient, so averaged parameters are those that the averaged
    gradient gives.
    """
    workers = [model() for _ in range(world_size)]
    optimizers = [torch.optim.SGD(worker.parameters(), lr=0.5) for worker in workers]
    epochs = [
        train_epoch(worker, optimizer, constant(optimizer), rows, config, 0, rank, world_size)
        for rank, (worker, optimizer) in enumerate(zip(workers, optimizers, strict=True))
    ]
    losses = []
    for step in zip(*epochs, strict=True):
        losses.append(sum(loss for loss, _ in step) / step[0][1])
        mean = torch.stack([parameters(worker) for worker in workers]).mean(dim=0)
        for worker in workers:
            torch.nn.utils.vector_to_parameters(mean.clone(), worker.parameters())
    return parameters(workers[0]), losses


@pytest.mark.parametrize("world_size", [2, 3])
def test_several_workers_with_averaged_gradients_make_the_updates_of_one(world_size: int) -> None:
    rows = token_rows(17)  # in steps of 8, 8 and 1: uneven shares, and workers without a row
    config = TrainingConfig(batch_size=8, clip_norm=None)  # which is not linear in the gradient
    alone, losses_alone = train_together(rows, config, 1)
    together, losses_together = train_together(rows, config, world_size)
    assert losses_together == pytest.approx(losses_alone, abs=1e-6)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)
    assert (alone - parameters(model())).abs().max() > 0.01


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_validation_logits_of_the_workers_add_up(world_size: int) -> None:
    rows, router = token_rows(17), model(dropout=0.5)
    config = TrainingConfig(batch_size=8)
    alone = logits_of(router, rows, config)
    shares = [logits_of(router, rows, config, rank, world_size) for rank in range(world_size)]
    np.testing.assert_allclose(sum(shares), alone, atol=1e-6)


def test_validation_does_not_depend_on_the_batch_size_and_changes_nothing() -> None:
    rows, router = token_rows(17), model(dropout=0.5)
    before = copy.deepcopy(router.state_dict())
    losses = [held_out_loss(router, rows, batch_size=size) for size in (1, 4, 32)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in router.state_dict().items())


@pytest.mark.parametrize("rows_per_pass", [1, 3])
def test_accumulated_gradients_make_the_same_update(rows_per_pass: int) -> None:
    rows = token_rows(16)
    whole = TrainingConfig(batch_size=16, epochs=1, learning_rate=1e-2, warmup_share=0)
    at_once, losses = distilled(whole, rows)
    in_passes, same = distilled(whole.model_copy(update={"rows_per_pass": rows_per_pass}), rows)
    assert same == pytest.approx(losses, rel=1e-5)
    torch.testing.assert_close(parameters(in_passes), parameters(at_once), atol=1e-5, rtol=1e-4)


def test_a_steps_gradient_is_clipped() -> None:
    config = TrainingConfig(batch_size=16, clip_norm=1e-3, warmup_share=0, epochs=1)
    router = model()
    plain = torch.optim.SGD(router.parameters(), lr=1.0)
    before = parameters(router).clone()
    list(train_epoch(router, plain, constant(plain), token_rows(16), config, 0))
    assert (parameters(router) - before).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_a_batchs_loss_is_the_weighted_sum_over_its_rows() -> None:
    rows, router, config = token_rows(6), model().eval(), TrainingConfig()
    each = [batch_loss(router, rows.batch(np.array([row])), config).item() for row in range(6)]
    assert batch_loss(router, rows.batch(np.arange(6)), config).item() == pytest.approx(sum(each), rel=1e-5)
    assert batch_loss(router, rows.batch(np.arange(6), counts=False), config).item() == 0.0


# Precision


def test_passes_in_bfloat16_train_weights_that_stay_in_float32() -> None:
    config = TrainingConfig(learning_rate=1e-2, epochs=6, batch_size=16, mixed_precision=True)
    rows, unseen = token_rows(128), token_rows(64, seed=1)
    router, losses = distilled(config, rows)
    assert losses[-1] < losses[0] / 5
    assert {parameter.dtype for parameter in router.parameters()} == {torch.float32}
    mixed_QM = logits_of(router, unseen, config)
    full_QM = logits_of(router, unseen, config.model_copy(update={"mixed_precision": False}))
    assert (mixed_QM.argmax(axis=1) == unseen.label_QM.argmax(axis=1)).mean() > 0.95
    assert 0 < np.abs(mixed_QM - full_QM).max() < 0.1, "bfloat16 has eight bits where float32 has 24"


def test_a_cpu_computes_in_float32_unless_it_is_told_otherwise() -> None:
    rows, router = token_rows(17), model()
    unsaid, full = (logits_of(router, rows, TrainingConfig(mixed_precision=setting)) for setting in (None, False))
    np.testing.assert_array_equal(unsaid, full)


# The learning rate


def rates(rows: int, config: TrainingConfig) -> list[float]:
    """The learning rate of every step of a run."""
    optimizer, schedule = make_optimizer(torch.nn.Linear(1, 1), config, rows)
    found = []
    for _ in range(-(-rows // config.batch_size) * config.epochs):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return [*found, schedule.get_last_lr()[0]]


def test_the_learning_rate_rises_over_the_warm_up_and_falls_to_zero() -> None:
    config = TrainingConfig(learning_rate=1.0, batch_size=10, epochs=2, warmup_share=0.4)
    assert rates(45, config) == pytest.approx([0, 1 / 4, 2 / 4, 3 / 4, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])


def test_without_a_warm_up_it_falls_from_the_first_step() -> None:
    config = TrainingConfig(learning_rate=1.0, batch_size=10, epochs=1, warmup_share=0)
    assert rates(40, config) == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4, 0])


def test_the_optimizer_has_the_settings_of_the_config() -> None:
    optimizer, _ = make_optimizer(model(), TrainingConfig(learning_rate=0.25, weight_decay=0.125), rows=10)
    (group,) = optimizer.param_groups
    assert (group["initial_lr"], group["weight_decay"]) == (0.25, 0.125)
    assert isinstance(optimizer, torch.optim.AdamW)


def test_a_head_may_learn_faster_than_the_encoder() -> None:
    config = TrainingConfig(learning_rate=0.25, head_learning_rate=0.5)
    router = model()
    optimizer, _ = make_optimizer(router, config, rows=10)
    body, head = optimizer.param_groups
    assert (body["initial_lr"], head["initial_lr"]) == (0.25, 0.5)
    assert {id(p) for p in head["params"]} == {id(p) for p in router.classifier.parameters()}


# The model


EXPERTS = ["vicuna", "llama", "wizard"]


def settings(backbone: Path, **changed: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({"backbone": str(backbone), **changed})


def head(backbone: Path, experts: Sequence[str], seed: int) -> torch.Tensor:
    weight: torch.Tensor = new_router(settings(backbone, seed=seed), experts).classifier.weight
    return weight


def test_a_routers_classes_are_the_experts_in_order(tmp_path: Path) -> None:
    tiny_models.save_encoder(tmp_path)
    router = new_router(settings(tmp_path), EXPERTS)
    assert router.config.id2label == {0: "vicuna", 1: "llama", 2: "wizard"}
    assert router.config.label2id == {"vicuna": 0, "llama": 1, "wizard": 2}
    assert router.dtype == torch.float32
    assert (
        new_tokenizer(str(tmp_path), "right")("red apple")["input_ids"]
        == tiny_models.encoder_tokenizer()("red apple")["input_ids"]
    )


@pytest.mark.parametrize(("side", "kept"), [("right", "red apple"), ("left", "blue plum")])
def test_long_queries_are_cut_where_the_config_says_whatever_the_backbone_says(
    tmp_path: Path, side: str, kept: str
) -> None:
    tiny_models.save_encoder(tmp_path)
    AutoTokenizer.from_pretrained(tmp_path, truncation_side="left").save_pretrained(tmp_path)
    tokenizer = new_tokenizer(str(tmp_path), side)
    cut = tokenizer("red apple and blue plum", truncation=True, max_length=4)["input_ids"]
    assert tokenizer.decode(cut, skip_special_tokens=True) == kept


def test_a_routers_head_follows_from_the_seed_and_the_rest_from_the_backbone(tmp_path: Path) -> None:
    tiny_models.save_encoder(tmp_path)
    assert torch.equal(head(tmp_path, EXPERTS, 0), head(tmp_path, EXPERTS, 0))
    assert not torch.equal(head(tmp_path, EXPERTS, 0), head(tmp_path, EXPERTS, 1))
    first, second = (new_router(settings(tmp_path, seed=seed), EXPERTS).bert for seed in (0, 1))
    assert torch.equal(parameters(first.encoder), parameters(second.encoder))


def test_upper_layers_may_be_left_out(tmp_path: Path) -> None:
    tiny_models.save_encoder(tmp_path)
    whole, lower = (new_router(settings(tmp_path, layers=layers), EXPERTS).bert for layers in (None, 1))
    assert (len(whole.encoder.layer), len(lower.encoder.layer)) == (2, 1)
    assert torch.equal(parameters(whole.encoder.layer[0]), parameters(lower.encoder.layer[0]))
