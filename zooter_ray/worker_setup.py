"""What every process of a Ray that was started here does first; imports next to nothing, since each of them pays."""

import logging


def no_vain_warnings() -> None:
    """Ray Train looks once a second for its driver at a dashboard, which such a Ray has not, and warns each time."""
    cleaner = "ray.train.v2._internal.execution.controller.placement_group_cleaner"
    logging.getLogger(cleaner).setLevel(logging.ERROR)
