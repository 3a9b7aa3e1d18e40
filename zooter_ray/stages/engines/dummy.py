"""Engine `dummy`: simulated experts, for tests and benchmarks."""

import asyncio
import os
from collections.abc import Sequence
from functools import partial

from ray.data import Dataset

from zooter_ray.chat import Response
from zooter_ray.config.generation import DummyEngine, ExpertConfig
from zooter_ray.simulation import log_request, simulate
from zooter_ray.stages.engines.ledger import Ledger
from zooter_ray.stages.engines.requests import Respond, Row, respond_to_blocks


def generate(dataset: Dataset, engine: DummyEngine, experts: Sequence[ExpertConfig], ledger: Ledger) -> Dataset:
    """Answer the dataset's queries with simulated experts, in simulated time."""
    make_respond = partial(_make_respond, engine)
    return respond_to_blocks(dataset, make_respond, experts, engine.concurrency, engine.resources, ledger)


def _make_respond(engine: DummyEngine) -> Respond:
    async def respond(row: Row, expert: ExpertConfig) -> Response:
        if engine.request_log is not None:
            log_request(engine.request_log, f"{expert.id} {row['query_id']}")
        if engine.dies_on is not None and engine.dies_on in row["query"]:
            os._exit(1)  # as an engine does that is broken beyond an exception
        response = simulate(
            engine, expert.id, row["query"], row["source"], row["reference"], row["sample"], expert.decoding.max_tokens
        )
        await asyncio.sleep(response.seconds)
        return response

    return respond
