"""Where the best single expert answers for caution's sake, against values worked out by hand."""

import numpy as np
import pytest

from zooter_ray.router.caution import caution_bias

# Leads over the last expert: 0.1, 0.4, 0 (it leads itself), 1.5; all together 2.
LOGITS_QM = np.array([[1.1, 0.0, 1.0], [0.0, 0.9, 0.5], [0.0, 0.0, 3.0], [2.0, 1.0, 0.5]])


@pytest.mark.parametrize(
    ("share", "bias", "chosen"),
    [
        (0.0, 0.05, [0, 1, 2, 0]),  # midway between nothing and the smallest lead
        (0.04, 0.05, [0, 1, 2, 0]),  # 0.08 of 2 may be given up
        (0.06, 0.25, [2, 1, 2, 0]),
        (0.26, 0.95, [2, 2, 2, 0]),
    ],
)
def test_leads_are_given_up_from_the_smallest_on_until_the_share_is_reached(
    share: float, bias: float, chosen: list[int]
) -> None:
    found = caution_bias(LOGITS_QM, 2, share)
    assert found == pytest.approx(bias)
    assert (LOGITS_QM + found * np.eye(3)[2]).argmax(axis=1).tolist() == chosen


def test_a_temperature_changes_no_choice() -> None:
    assert caution_bias(LOGITS_QM / 4, 2, 0.26) == pytest.approx(0.95 / 4)


def test_who_leads_everywhere_needs_no_bias() -> None:
    assert caution_bias(LOGITS_QM[2:3], 2, 0.5) == 0
