"""Grades a response with the check that its reference asks for."""

from decimal import Decimal

from zooter_ray.grading.code import extract_code
from zooter_ray.grading.extraction import (
    bare_answer,
    extract_choice,
    extract_number,
    extract_short_answer,
    final_part,
)
from zooter_ray.grading.phrases import fold, phrase_pattern
from zooter_ray.grading.references import (
    ChoiceReference,
    ContainsReference,
    ExactReference,
    NumberReference,
    Reference,
    UnitTestsReference,
)
from zooter_ray.grading.sandbox import DEFAULT_LIMITS, SandboxLimits, run_python

# A response may have computed with binary floats; whole numbers have no such excuse.
_RELATIVE_EPSILON = Decimal("1e-9")
_ABSOLUTE_EPSILON = Decimal("1e-12")


def grade(response: str, reference: Reference, limits: SandboxLimits = DEFAULT_LIMITS) -> float:
    """1.0 if the response is right, else 0.0; code is right only if all its tests pass.

    Args:
        response: what the model wrote after the prompt.
        reference: the right answer and how to check for it.
        limits: bounds for running generated code; only the check `unit_tests` runs any.

    Raises:
        SandboxError: generated code cannot be run safely here.
    """
    match reference:
        case NumberReference():
            right = _is_number(response, reference)
        case ChoiceReference():
            right = extract_choice(response, reference.choices) == reference.answer
        case ExactReference():
            right = _is_exact(response, reference)
        case ContainsReference():
            right = _contains(response, reference)
        case UnitTestsReference():
            right = _passes_tests(response, reference, limits)
    return float(right)


def _is_number(response: str, reference: NumberReference) -> bool:
    number, answer = extract_number(response), reference.answer
    if number is None:
        return False
    slack = Decimal(str(reference.tolerance))
    if not (_is_whole(number) and _is_whole(answer)):
        slack = max(slack, _RELATIVE_EPSILON * abs(answer), _ABSOLUTE_EPSILON)
    return number == answer or abs(number - answer) <= slack


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _is_exact(response: str, reference: ExactReference) -> bool:
    expected = bare_answer(reference.answer) or reference.answer
    found = extract_short_answer(response)
    return fold(found, reference.case_sensitive) == fold(expected, reference.case_sensitive)


def _contains(response: str, reference: ContainsReference) -> bool:
    text = fold(final_part(response))
    found = (phrase_pattern(answer).search(text) is not None for answer in reference.answers)
    return all(found) if reference.mode == "all" else any(found)


def _passes_tests(response: str, reference: UnitTestsReference, limits: SandboxLimits) -> bool:
    code = extract_code(response, reference.entry_point, reference.beginning or "")
    return bool(code) and run_python(code, limits, tests=reference.tests).passed
