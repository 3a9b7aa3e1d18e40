"""The exceptions that are raised on purpose."""

import pickle

import pytest

from zooter_ray import errors
from zooter_ray.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    InputError,
    SandboxError,
    StageError,
    ZooterError,
    one_line,
)

EVERY_EXCEPTION = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", EVERY_EXCEPTION)
def test_every_exception_survives_pickling_with_its_message(kind: type[ZooterError]) -> None:
    error = pickle.loads(pickle.dumps(kind("rewards.jsonl:3: the query is empty")))
    assert type(error) is kind
    assert str(error) == "rewards.jsonl:3: the query is empty"


@pytest.mark.parametrize("kind", EVERY_EXCEPTION)
def test_every_exception_is_in_the_tree_that_the_docstring_draws(kind: type[ZooterError]) -> None:
    assert issubclass(kind, ZooterError)
    assert f" {kind.__name__} " in f" {errors.__doc__}".replace("\n", " ").replace("─", " ")


def test_wrong_input_can_be_told_from_everything_else() -> None:
    assert issubclass(ConfigError, InputError)
    assert issubclass(DataError, InputError)
    assert not any(issubclass(kind, InputError) for kind in (ArtifactError, StageError, SandboxError))


def test_the_sentence_leaves_out_what_ray_adds() -> None:
    assert errors.ArtifactError("the disk is full\nFailed to apply UDF").sentence == "the disk is full"
    wrapped = errors.DataError("a traceback")
    wrapped.cause = errors.DataError("row 3 is bad")  # type: ignore[attr-defined]
    assert wrapped.sentence == "row 3 is bad"


def test_what_another_library_says_fits_on_one_line() -> None:
    assert one_line(OSError("no file\n  named x")) == "no file named x"
    assert one_line(OSError("a" * 400)) == "a" * 300
