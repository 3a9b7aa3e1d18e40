"""Engine `http`: an expert behind any OpenAI-compatible endpoint, within its rate limit and its budget."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from aiolimiter import AsyncLimiter
from ray.data import Dataset

from zooter_ray.chat import OpenAIChat, Response, api_key_of, messages_of
from zooter_ray.config.generation import ExpertConfig, HttpEngine
from zooter_ray.config.resources import worker_range
from zooter_ray.stages.engines.budget import new_purse
from zooter_ray.stages.engines.ledger import Ledger
from zooter_ray.stages.engines.requests import Respond, Row, respond_to_blocks


def generate(dataset: Dataset, engine: HttpEngine, experts: Sequence[ExpertConfig], ledger: Ledger) -> Dataset:
    """Answer the dataset's queries over HTTP; rows that fail after all retries carry the error."""
    purse = new_purse(engine.budget, ledger.spent)
    make_respond = partial(_make_respond, engine, api_key_of(engine), purse)
    return respond_to_blocks(dataset, make_respond, experts, engine.concurrency, engine.resources, ledger)


def _make_respond(engine: HttpEngine, api_key: str, purse: Any) -> Respond:
    limiter = _limiter(engine)
    client = OpenAIChat(engine, api_key, before_retry=limiter.acquire if limiter is not None else None)

    async def respond(row: Row, expert: ExpertConfig) -> Response:
        if limiter is not None:
            await limiter.acquire()
        if purse is not None and (closed := await purse.closed.remote()):
            return Response(error=closed)
        messages = messages_of(expert, row["query"], row.get("history") or ())
        response = await client.respond(messages, expert.decoding, row["sample"])
        if purse is not None:
            await purse.spend.remote(response.prompt_tokens, response.generated_tokens)
        return response

    return respond


def _limiter(engine: HttpEngine) -> AsyncLimiter | None:
    """A worker's share of the requests per minute, one at a time and not in bursts."""
    if engine.requests_per_minute is None:
        return None
    return AsyncLimiter(1, 60 * worker_range(engine.resources)[1] / engine.requests_per_minute)
