"""Engine `http`: an expert behind any OpenAI-compatible endpoint."""

from collections.abc import Sequence
from functools import partial

from ray.data import Dataset

from zooter_ray.chat import OpenAIChat, Response, api_key_of, messages_of
from zooter_ray.config.generation import ExpertConfig, HttpEngine
from zooter_ray.stages.engines.requests import Respond, Row, respond_to_blocks


def generate(dataset: Dataset, engine: HttpEngine, experts: Sequence[ExpertConfig]) -> Dataset:
    """Answer the dataset's queries over HTTP; rows that fail after all retries carry the error."""
    make_respond = partial(_make_respond, engine, api_key_of(engine))
    return respond_to_blocks(dataset, make_respond, experts, engine.concurrency, engine.resources)


def _make_respond(engine: HttpEngine, api_key: str) -> Respond:
    client = OpenAIChat(engine, api_key)

    async def respond(row: Row, expert: ExpertConfig) -> Response:
        return await client.respond(messages_of(expert, row["query"]), expert.decoding, row["sample"])

    return respond
