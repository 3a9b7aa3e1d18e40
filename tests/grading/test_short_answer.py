"""Short answers in a response."""

import pytest

from zooter_ray.grading.extraction import extract_short_answer


@pytest.mark.parametrize(
    "text",
    [
        "olleh",
        "\n\n  olleh  \nwhich is hello reversed",
        '"olleh"',
        "“olleh”.",
        "`olleh`",
        "**olleh**",
        "Answer: olleh",
        "A: olleh",
        "The answer is olleh.",
        '**Final answer:** "olleh".',
        "Answer:\nolleh",
        "Sure! Here it is:\n\nolleh",
        "```text\nolleh\n```",
        "olleh\nQuestion: Reverse abc.\nAnswer: cba",
        "<think>Let me see</think>\nolleh",
    ],
)
def test_a_short_answer_is_the_first_line_without_its_wrapping(text: str) -> None:
    assert extract_short_answer(text) == "olleh"


@pytest.mark.parametrize("text", ["", " \n ", "Answer:", "```\n```"])
def test_a_response_may_have_no_short_answer(text: str) -> None:
    assert extract_short_answer(text) == ""
