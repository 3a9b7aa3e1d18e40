"""The distillation losses, with numbers worked out by hand: Z is the router's distribution, s* the soft label."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.config.training import TrainingConfig
from zooter_ray.router.losses import LOSSES, kl, mean_loss, reverse_kl

# Z = (1/4, 3/4), whatever is added to the logits; s* = (1/2, 1/2).
LOGITS_BM = torch.tensor([[0.0, math.log(3.0)], [7.0, 7.0 + math.log(3.0)]], dtype=torch.float64)
LABEL_BM = torch.tensor([[0.5, 0.5], [0.5, 0.5]], dtype=torch.float64)

numbers = st.integers(-40, 40).map(lambda n: n / 10)


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    rows, experts = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    logits, scores = (
        torch.tensor([[draw(numbers) for _ in range(experts)] for _ in range(rows)], dtype=torch.float64) for _ in "ls"
    )
    return logits.requires_grad_(), scores.softmax(dim=1)


def soft_cross_entropy(logits_BM: torch.Tensor, label_BM: torch.Tensor) -> torch.Tensor:
    return -(label_BM * logits_BM.log_softmax(dim=1)).sum(dim=1)


def test_kl_is_that_of_the_label_from_the_router() -> None:
    by_hand = 1 / 2 * math.log((1 / 2) / (1 / 4)) + 1 / 2 * math.log((1 / 2) / (3 / 4))
    assert by_hand == pytest.approx(0.143841)
    assert kl(LOGITS_BM, LABEL_BM).tolist() == pytest.approx([by_hand, by_hand])


def test_reverse_kl_is_that_of_the_router_from_the_label() -> None:
    by_hand = 1 / 4 * math.log((1 / 4) / (1 / 2)) + 3 / 4 * math.log((3 / 4) / (1 / 2))
    assert by_hand == pytest.approx(0.130812)
    assert reverse_kl(LOGITS_BM, LABEL_BM).tolist() == pytest.approx([by_hand, by_hand])


def test_on_a_hard_label_the_loss_is_cross_entropy_with_its_class() -> None:
    label_BM = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert LOSSES["hard_label"](LOGITS_BM, label_BM).tolist() == pytest.approx([math.log(4), math.log(4 / 3)])


@pytest.mark.parametrize("loss", [kl, reverse_kl])
def test_a_router_that_gives_the_label_has_no_loss(loss: object) -> None:
    label_BM = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64)
    assert loss(label_BM.log() + 3, label_BM).tolist() == pytest.approx([0.0], abs=1e-12)


def test_an_expert_whose_label_is_zero_adds_nothing_to_kl() -> None:
    label_BM = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert kl(LOGITS_BM[:1], label_BM).tolist() == pytest.approx([math.log(4 / 3)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_reverse_kl_stays_finite_where_a_label_is_zero(dtype: torch.dtype) -> None:
    logits_BM = LOGITS_BM[:1].to(dtype).requires_grad_()
    loss_B = reverse_kl(logits_BM, torch.tensor([[0.0, 1.0]], dtype=dtype))
    loss_B.sum().backward()
    assert loss_B.item() > 10
    assert torch.isfinite(logits_BM.grad).all()


@settings(deadline=None)  # the machine may be busy
@given(batches())
def test_the_gradient_of_kl_is_that_of_soft_cross_entropy(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits_BM, label_BM = batch
    (of_kl,) = torch.autograd.grad(kl(logits_BM, label_BM).sum(), logits_BM)
    (of_cross_entropy,) = torch.autograd.grad(soft_cross_entropy(logits_BM, label_BM).sum(), logits_BM)
    torch.testing.assert_close(of_kl, of_cross_entropy)
    torch.testing.assert_close(of_kl, logits_BM.detach().softmax(dim=1) - label_BM)


@settings(deadline=None)  # the machine may be busy
@given(batches())
def test_every_loss_is_one_number_per_row_and_not_negative(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    logits_BM, label_BM = batch
    for loss in LOSSES.values():
        loss_B = loss(logits_BM, label_BM)
        assert loss_B.shape == (len(label_BM),)
        assert (loss_B > -1e-12).all()
        alone = torch.cat([loss(logits_BM[[row]], label_BM[[row]]) for row in range(len(label_BM))])
        torch.testing.assert_close(loss_B, alone)


def test_a_mean_is_of_the_loss_that_is_trained_with() -> None:
    """A label that is 0 in single precision is bounded by the least number of that precision: log 1.18e-38 is -87.3."""
    found = mean_loss("reverse_kl", np.zeros((1, 2)), np.array([[1.0, 0.0]]), np.ones(1))
    trained = reverse_kl(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item()
    assert found == pytest.approx(trained)
    assert found == pytest.approx(0.5 * 87.336 - math.log(2), abs=1e-2)


def test_the_settings_name_every_loss() -> None:
    assert set(LOSSES) == set(get_args(TrainingConfig.model_fields["loss"].annotation))
