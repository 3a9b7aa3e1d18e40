"""Where the best single expert answers for caution's sake, against values worked out by hand."""

import numpy as np
import pytest

from zooter_ray.router.caution import caution_bias

# Leads over the last expert: 0.1, 0.4, 0 (it leads itself), 1.5; all together 2.
LOGITS_QM = np.array([[1.1, 0.0, 1.0], [0.0, 0.9, 0.5], [0.0, 0.0, 3.0], [2.0, 1.0, 0.5]])


@pytest.mark.parametrize(
    ("share", "bias", "experts"),
    [
        (0.0, 0.0, [0, 1, 2, 0]),
        (0.04, 0.08, [0, 1, 2, 0]),  # 0.08 of 2: four fifths of the way to the first lead
        (0.15, 0.25, [2, 1, 2, 0]),  # 0.3 of 2: 0.1 are given up, and half of the 0.4 that come next
        (0.7, 1.06, [2, 2, 2, 0]),  # 1.4 of 2: 0.5 are given up, and three fifths of the 1.5 that come next
    ],
)
def test_leads_are_given_up_from_the_smallest_on_until_the_share_is_reached(
    share: float, bias: float, experts: list[int]
) -> None:
    found = caution_bias(LOGITS_QM, 2, share)
    assert found == pytest.approx(bias)
    assert (LOGITS_QM + found * np.eye(3)[2]).argmax(axis=1).tolist() == experts


@pytest.mark.parametrize("expert", [0, 1])
def test_equal_leads_are_given_up_together_whatever_the_order_of_the_experts(expert: int) -> None:
    lead_Q = np.array([0.5] * 30 + [5.0] * 100)
    logits_QM = np.outer(lead_Q, np.eye(2)[1 - expert])
    assert caution_bias(logits_QM, expert, 0.02) == pytest.approx(0.5 * 0.02 * 515 / 15), "10.3 of the 15"


def test_the_bias_grows_with_the_leads_as_they_do_with_a_lower_temperature() -> None:
    assert caution_bias(LOGITS_QM / 4, 2, 0.15) == pytest.approx(0.25 / 4)


def test_who_leads_everywhere_needs_no_bias() -> None:
    assert caution_bias(LOGITS_QM[2:3], 2, 0.5) == 0


def test_a_lone_row_gives_up_no_more_than_the_share_of_its_lead() -> None:
    assert caution_bias(LOGITS_QM[3:], 2, 0.02) == pytest.approx(0.02 * 1.5)
