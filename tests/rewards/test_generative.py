"""A judge's question, to the letter, and how its reply is read."""

import pytest
from pydantic import ValidationError

from zooter_ray.config.scoring import GenerativeReward
from zooter_ray.rewards import Pair, Scored
from zooter_ray.rewards.generative import UNREADABLE, judge_query, read_rating

JUDGE = GenerativeReward(id="auto-j")


def test_auto_j_is_asked_what_it_was_trained_to_be_asked() -> None:
    assert judge_query(JUDGE, Pair("What is 2 + 2?", "4")) == (
        "Write critiques for a submitted response on a given user's query, and grade the response:\n"
        "  \n"
        "[BEGIN DATA]\n"
        "***\n"
        "[Query]: What is 2 + 2?\n"
        "***\n"
        "[Response]: 4\n"
        "***\n"
        "[END DATA]\n"
        "\n"
        "Write critiques for this response. After that, you should give a final rating for the response on a scale of "
        '1 to 10 by strictly following this format: "[[rating]]", for example: "Rating: [[5]]".'
    )


def test_texts_with_braces_go_in_as_they_are() -> None:
    judge = GenerativeReward(id="judge", prompt='{query} / {response} / {reference} / {"rating": 1}')
    asked = judge_query(judge, Pair("{response}", "{query} {}", "{reference}"))
    assert asked == '{response} / {query} {} / {reference} / {"rating": 1}'


def test_long_texts_are_cut_and_what_is_asked_about_them_is_not() -> None:
    judge = GenerativeReward(id="judge", prompt="{query}|{response}|rate it", max_characters=100)
    assert judge_query(judge, Pair("q" * 500, "r" * 500)) == f"{'q' * 100}|{'r' * 100}|rate it"


@pytest.mark.parametrize(
    ("reply", "reward"),
    [
        ("Well written. Rating: [[7]]", 7.0),
        ("First I thought of [[3]], but then: Rating: [[10]]", 10.0),  # the last one counts
        ("Rating: [[1]].", 1.0),
    ],
)
def test_the_rating_is_read(reply: str, reward: float) -> None:
    assert read_rating(JUDGE, reply) == Scored(reward)


@pytest.mark.parametrize("reply", ["", "Rating: 7", "Rating: [[0]]", "Rating: [[11]]", "[[7.5]]", "[[seven]]"])
def test_no_rating_or_one_off_the_scale_is_unreadable(reply: str) -> None:
    assert read_rating(JUDGE, reply) == Scored(None, UNREADABLE)


def test_other_judges_have_other_scales() -> None:
    judge = GenerativeReward(id="judge", rating=r'"score": (-?\d+)', scale=(-1, 1))
    assert read_rating(judge, '{"score": -1}') == Scored(-1.0)


@pytest.mark.parametrize("reply", ["rating 7.5", "rating seven", "rating "])
def test_what_a_loose_pattern_finds_is_unreadable_unless_it_is_an_integer(reply: str) -> None:
    judge = GenerativeReward(id="judge", rating=r"rating (\S*)")
    assert read_rating(judge, reply) == Scored(None, UNREADABLE)


def test_a_judge_of_ones_own_speaks_its_own_template() -> None:
    assert JUDGE.chat_template is not None
    own = GenerativeReward(id="judge", engine={"kind": "vllm", "source": "Qwen/Qwen3-8B"})
    assert own.chat_template is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": "Rate it."}, "must have {response} in it"),
        ({"rating": "[["}, "no regular expression"),
        ({"rating": r"\d+"}, "must have one group, not 0"),
        ({"scale": (5, 5)}, "scale must rise"),
        ({"engine": {"kind": "vllm", "source": "x", "max_model_len": 512}}, "1024 new tokens do not fit into 512"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("{", r"\{")):
        GenerativeReward(id="judge", **settings)
