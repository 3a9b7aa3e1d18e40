"""Settings of training that follow from the rows."""

from zooter_ray.config.training import TrainingConfig


def test_few_rows_are_gone_over_in_as_many_epochs_as_make_the_steps_that_are_asked_for() -> None:
    config = TrainingConfig(epochs=2, batch_size=32, min_steps=200)
    epochs = {rows: config.for_rows(rows).epochs for rows in (32, 33, 1600, 3200, 3168, 10_000, 0)}
    assert epochs == {32: 200, 33: 100, 1600: 4, 3200: 2, 3168: 3, 10_000: 2, 0: 200}
    assert TrainingConfig(epochs=2).for_rows(1).epochs == 2
