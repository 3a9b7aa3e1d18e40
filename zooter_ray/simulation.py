"""A simulated expert: deterministic answers, a simple model of time and of failure. For tests and benchmarks."""

import json
from pathlib import Path

from zooter_ray.chat import Response
from zooter_ray.config.generation import DummyEngine
from zooter_ray.hashing import hash_fraction


def simulate(
    engine: DummyEngine, expert: str, query: str, source: str, reference: str | None, sample: int, max_tokens: int
) -> Response:
    """The response of a simulated expert; the same arguments always give the same one.

    It answers with the query's reference for a share `accuracy[source]` of the queries, else with words that no
    reference holds, and fails for a share `failure_rate`.
    """
    key = (engine.seed, expert, query, sample)
    tokens = min(engine.tokens, max_tokens)
    seconds = engine.first_token_s + (tokens - 1) * engine.per_token_s
    if hash_fraction("fail", *key) < engine.failure_rate:
        return Response(error="simulated failure", seconds=seconds)
    accuracy = engine.accuracy.get(source, engine.accuracy.get("*", 0.0))
    answer = (
        right_answer(reference) if reference and hash_fraction("right", *key) < accuracy else f"{expert} does not know."
    )
    finish_reason = "length" if engine.tokens > max_tokens else "stop"
    return Response(answer, finish_reason, len(query.split()), tokens, seconds)


def right_answer(reference: str) -> str:
    """A text that passes the reference's check, where one can be made from the reference alone."""
    check = json.loads(reference)
    return " ".join(map(str, check["answers"])) if "answers" in check else str(check.get("answer", "unknown"))


def log_request(path: str, line: str) -> None:
    """Append a line; appends this short are atomic, so that several processes can share the file."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
