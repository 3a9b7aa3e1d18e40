"""Rewards by a judge: an LLM that is asked to rate a response, and how its reply is read.

The judge itself is an engine of the stages; this file neither starts nor asks one.
"""

import re

from zooter_ray.config.scoring import GenerativeReward
from zooter_ray.rewards.base import Pair, Scored

UNREADABLE = "no rating in the judge's reply"
PLACE = re.compile(r"\{(query|response|reference)\}")


def judge_query(config: GenerativeReward, pair: Pair) -> str:
    """What the judge is asked about a response; long texts are cut to `max_characters` each."""
    texts = {"query": pair.query, "response": pair.response, "reference": pair.reference or ""}
    return PLACE.sub(lambda place: texts[place[1]][: config.max_characters], config.prompt)


def read_rating(config: GenerativeReward, reply: str) -> Scored:
    """The last rating in a reply, if it is on the scale. Equal ratings stay equal rewards."""
    found = re.findall(config.rating, reply)
    low, high = config.scale
    if not found or not re.fullmatch(r"-?\d{1,9}", found[-1]) or not low <= int(found[-1]) <= high:
        return Scored(None, UNREADABLE)
    return Scored(float(found[-1]))
