"""References: what a right answer is and how to check for it, as one JSON object in a row of data.

Which other keys there are depends on `check`: number, choice, exact, contains or unit_tests.
"""

import ast
import re
import string
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, ValidationError, model_validator

from zooter_ray.errors import DataError
from zooter_ray.grading.numerals import parse_number


def _exact_decimal(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return value
    number = parse_number(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    if number is None:
        raise ValueError("should be one number, as a JSON number or a string")
    return number


Number = Annotated[Decimal, BeforeValidator(_exact_decimal)]
Text = Annotated[str, Field(pattern=r"\S")]
Line = Annotated[str, Field(pattern=r"^.*\S.*$")]


class _Check(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NumberReference(_Check):
    """The response's number equals `answer`, give or take `tolerance` (absolute)."""

    check: Literal["number"] = "number"
    answer: Number
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class ChoiceReference(_Check):
    """The response chooses the option with the letter `answer`; `choices` are the options' texts in order A, B, C."""

    check: Literal["choice"] = "choice"
    answer: str
    choices: tuple[Line, ...] = Field(min_length=2, max_length=26)

    @model_validator(mode="after")
    def _answer_is_a_letter(self) -> Self:
        letters = string.ascii_uppercase[: len(self.choices)]
        if len(self.answer) != 1 or self.answer not in letters:
            raise ValueError(f"answer should be a letter from A to {letters[-1]}, not {self.answer!r}")
        return self


class ExactReference(_Check):
    """The response's short answer is `answer`."""

    check: Literal["exact"] = "exact"
    answer: Line
    case_sensitive: bool = False


class ContainsReference(_Check):
    """The response contains all or any of `answers`, each as a phrase of its own."""

    check: Literal["contains"] = "contains"
    answers: tuple[Line, ...] = Field(min_length=1)
    mode: Literal["all", "any"] = "any"


class UnitTestsReference(_Check):
    """The response's code passes `tests`: statements that see what the code defined and raise if it is wrong.

    Tests in a function, as HumanEval's `check(candidate)`, must also be called: end them with `check(entry_point)`.
    `beginning` is code that the response completes: imports, other functions, and the head of the entry point.
    """

    check: Literal["unit_tests"] = "unit_tests"
    entry_point: str
    tests: Text
    beginning: Text | None = None

    @model_validator(mode="after")
    def _tests_call_the_entry_point(self) -> Self:
        if not self.entry_point.isidentifier():
            raise ValueError(f"entry_point should be the name of a function, not {self.entry_point!r}")
        # Tests that never name the function would pass whatever the response is.
        if not re.search(rf"\b{self.entry_point}\b", self.tests):
            raise ValueError(f"tests never use the entry point {self.entry_point!r}")
        try:
            ast.parse(self.tests)
        except SyntaxError as error:
            raise ValueError(f"tests are not valid Python: {error}") from error
        return self


Reference = Annotated[
    NumberReference | ChoiceReference | ExactReference | ContainsReference | UnitTestsReference,
    Field(discriminator="check"),
]


class _Row(RootModel[Reference]):
    pass


def parse_reference(text: str) -> Reference:
    """Read a reference from JSON.

    Raises:
        DataError: the text is not JSON, or a key or value in it is wrong.
    """
    try:
        return _Row.model_validate_json(text).root
    except ValidationError as error:
        raise DataError(_explain(error)) from error


def dump_reference(reference: Reference) -> str:
    """Write a reference as JSON that `parse_reference` reads back."""
    return reference.model_dump_json(exclude_none=True)


def _explain(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False)[0]
    # The discriminator's value leads the location inside a union; only the keys behind it are the user's.
    keys = ".".join(str(key) for key in first["loc"][1:])
    where = f" at {keys!r}" if keys else ""
    shown = repr(first["input"])
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return f"the reference is wrong{where}: {first['msg'].removeprefix('Value error, ')} (got {shown})"
