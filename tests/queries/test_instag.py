"""InsTag's prompt, and the tags out of its replies."""

import pytest

from zooter_ray.queries.instag import instag_prompt, parse_tags


def test_the_prompt_is_the_published_one() -> None:
    assert instag_prompt("What is {x}?") == (
        "Please identify tags of user intentions in the following user query and provide an explanation for each "
        'tag. Please respond in the JSON format {"tag": str, "explanation": str}.\nUser query: What is {x}?'
    )


@pytest.mark.parametrize(
    ("reply", "tags"),
    [
        ('[{"tag": "maths", "explanation": "a sum"}, {"tag": "sum", "explanation": ""}]', ["maths", "sum"]),
        ('{"tag": "maths", "explanation": "x"}', ["maths"]),
        (' [{"tag": "a  b"}, {"tag": "a b"}, {"tag": " "}] ', ["a b"]),
        ('["maths", "code"]', ["maths", "code"]),
        ('```json\n[{"tag": "maths"}]\n```', ["maths"]),
        ('Sure! [{"tag": "maths", "explanation": "it is"}] Anything else?', ["maths"]),
        ('[{"tag": "maths", "explanation": "cut off"}, {"tag": "su', ["maths"]),
        ('[{"tag": "a \\"quoted\\" tag", "explanation": "x"},', ['a "quoted" tag']),
        ('[{"tag": "line\nbreak"}]', ["line break"]),
        ('[{"tag": "data\\_analysis", "explanation": "x"}]', ["data_analysis"]),
        ('[{"tag": "\\ud83d maths"}]', ["maths"]),
        ("[]", []),
    ],
)
def test_whole_tags_are_read_whatever_is_around_them(reply: str, tags: list[str]) -> None:
    assert parse_tags(reply) == tags


@pytest.mark.parametrize(
    "reply", ["", "I cannot tell.", '{"label": "maths"}', '[{"tag": 3}]', "[[[", '"', "null", "[" * 5000]
)
def test_a_reply_without_tags_is_told_from_one_with_none(reply: str) -> None:
    assert parse_tags(reply) is None
