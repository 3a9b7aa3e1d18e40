"""Engines that answer one request at a time (http, dummy): many at once, under a limit, in an actor."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pyarrow as pa
from ray.data import ActorPoolStrategy, Dataset

from zooter_ray.chat import Response
from zooter_ray.config.generation import ExpertConfig
from zooter_ray.config.resources import StageResources, worker_range
from zooter_ray.resources import actor_kwargs
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages.engines.ledger import DEADLY, Ledger, block_key, row_key

Row = dict[str, Any]
Respond = Callable[[Row, ExpertConfig], Awaitable[Response]]

RESPONSES_AND_ERROR = RESPONSES.append(pa.field("error", pa.string(), nullable=False))


class RespondToBlock:
    """Actor: answers the rows of a block, `concurrency` at a time; suspects (see ledger.py) one by one."""

    def __init__(
        self, make_respond: Callable[[], Respond], experts: Sequence[ExpertConfig], concurrency: int, ledger: Ledger
    ) -> None:
        self.loop = asyncio.new_event_loop()
        self.respond = make_respond()
        self.experts = {expert.id: expert for expert in experts}
        self.concurrency = concurrency
        self.ledger = ledger

    def __call__(self, block: pa.Table) -> pa.Table:
        """Answer a block of queries."""
        rows = block.to_pylist()
        suspects = self.ledger.take(block_key(rows)) > 0
        responses = self.loop.run_until_complete(self._one_by_one(rows) if suspects else self._all(rows))
        self.ledger.strike(block_key(rows))
        return pa.Table.from_pylist(
            [response_row(row, response) for row, response in zip(rows, responses, strict=True)], RESPONSES_AND_ERROR
        )

    async def _one_by_one(self, rows: list[Row]) -> list[Response]:
        return [await self._alone(row) for row in rows]

    async def _alone(self, row: Row) -> Response:
        """Answer a row that is asked alone, unless engines died on it too often."""
        if (deaths := self.ledger.take(row_key(row))) >= self.ledger.attempts:
            response = Response(error=DEADLY.format(deaths))
        else:
            response = await self.respond(row, self.experts[row["expert"]])
        self.ledger.strike(row_key(row))
        return response

    async def _all(self, rows: list[Row]) -> list[Response]:
        limit = asyncio.Semaphore(self.concurrency)

        async def one(row: Row) -> Response:
            async with limit:
                return await self.respond(row, self.experts[row["expert"]])

        return await asyncio.gather(*map(one, rows))


def response_row(row: Row, response: Response) -> Row:
    """A row of RESPONSES_AND_ERROR from a query's row and its response."""
    return {
        **{name: row[name] for name in ("query_id", "expert", "sample", "query", "reference")},
        "response": response.text,
        "finish_reason": response.finish_reason,
        "prompt_tokens": response.prompt_tokens,
        "generated_tokens": response.generated_tokens,
        "seconds": response.seconds,
        "error": response.error,
    }


def respond_to_blocks(
    dataset: Dataset,
    make_respond: Callable[[], Respond],
    experts: Sequence[ExpertConfig],
    concurrency: int,
    resources: StageResources,
    ledger: Ledger,
) -> Dataset:
    """Map `RespondToBlock` over the dataset's blocks."""
    low, high = worker_range(resources)
    return dataset.map_batches(
        RespondToBlock,
        fn_constructor_args=(make_respond, experts, concurrency, ledger),
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(min_size=low, max_size=high),
        **actor_kwargs(resources),
    )
