"""Settings of labels that need each other."""

import pytest
from pydantic import ValidationError

from zooter_ray.config.labeling import LabelingConfig


def test_a_prior_is_estimated_from_rewards_that_are_averaged() -> None:
    with pytest.raises(ValidationError, match="prior_rows: auto needs smooth: rewards"):
        LabelingConfig(prior_rows="auto")
