"""Ask experts one after the other until one begins to answer."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import ray
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from serve_app.errors import ApiError, error_event
from serve_app.metrics import ServiceMetrics
from serve_app.replies import Refusal

logger = logging.getLogger("ray.serve")
# What a replica that is gone looks like, over Ray's actor calls and over gRPC. What goes wrong inside an expert
# arrives as a refusal, see replies.guarded.
GONE = (ray.exceptions.RayError, RayServeException, grpc.RpcError, RuntimeError)
LOOK_INTERVAL_S = 0.5
DOWN_PATIENCE_S = 3.0
DOWN = Refusal(503, "the expert is down", try_next=True, reason="down")


@dataclass
class Answer:
    """An expert that has begun to answer: its first bytes, and the rest to come."""

    expert: str
    attempts: int
    first: bytes
    rest: DeploymentResponseGenerator[Any]


@dataclass(frozen=True)
class Attempts:
    """How experts are asked: through which handles, who is up, and with how much patience."""

    handles: Mapping[str, DeploymentHandle[Any]]
    is_up: Callable[[str], bool]
    retry_after_s: int
    metrics: ServiceMetrics

    async def first_answer(
        self, order: Sequence[str], limit: int, endpoint: str, body: dict[str, Any], patience_s: float, deadline: float
    ) -> Answer:
        """The first expert in `order` that begins to answer within `patience_s`; of those that are up, `limit`.

        Experts that are down are passed over, unless all of them are. Both kinds count as attempts.

        Raises:
            ApiError: the client's own error, as the expert told it; 503 if no expert can answer now, 504 if the
                deadline (of time.perf_counter) passes.
        """
        if all_down := not any(map(self.is_up, order)):
            patience_s = min(patience_s, DOWN_PATIENCE_S)  # what is known of them may be a moment old
        refusals: list[Refusal] = []
        asked = 0
        for attempts, expert in enumerate(order, start=1):
            if asked == limit:
                break
            if self.is_up(expert) or all_down:
                asked += 1
                found = await self._ask(expert, endpoint, body, min(patience_s, deadline - time.perf_counter()))
            else:
                found = DOWN
            if isinstance(found, tuple):
                return Answer(expert, attempts, *found)
            if not found.try_next:
                raise ApiError(found.status, found.message)
            self.metrics.fallbacks.inc(tags={"expert": expert, "reason": found.reason})
            logger.warning("expert %s did not answer (%s), attempt %d", expert, found.reason, attempts)
            refusals.append(found)
            if time.perf_counter() >= deadline:
                raise ApiError(504, "the request took too long", "timeout")
        raise self._refused(refusals)

    def _refused(self, refusals: Sequence[Refusal]) -> ApiError:
        """What the client is told when nobody answers: to come back, unless fault was found with its request.

        A request that is too long for one expert may suit another one later.
        """
        at_fault = [refusal for refusal in refusals if refusal.reason == "refused"]
        if at_fault or all(refusal.status < 500 for refusal in refusals):
            told = (at_fault or refusals)[-1]
            return ApiError(told.status, told.message)
        return ApiError(503, "no expert can answer at the moment", "overloaded", retry_after_s=self.retry_after_s)

    async def _ask(
        self, expert: str, endpoint: str, body: dict[str, Any], patience_s: float
    ) -> tuple[bytes, DeploymentResponseGenerator[Any]] | Refusal:
        """The first bytes of an expert's reply and the generator of the rest, or why there are none."""
        items = self.handles[expert].answer.remote(endpoint, expert, body)
        first = asyncio.ensure_future(anext(items))
        try:
            refusal = await self._wait(first, expert, patience_s)
            found = refusal or first.result()
        except BackPressureError:
            found = Refusal(503, "the expert is busy", try_next=True, reason="busy")
        except GONE as error:
            logger.warning("expert %s: %s", expert, type(error).__name__)
            found = DOWN
        except asyncio.CancelledError:  # the client is gone
            _end(first, items)
            raise
        if isinstance(found, Refusal):
            _end(first, items)
            return found
        return found, items

    async def _wait(self, first: "asyncio.Future[Any]", expert: str, patience_s: float) -> Refusal | None:
        """Wait for the first bytes; a refusal if they take too long, or the expert's last replica is lost meanwhile.

        Serve would let a request without a replica wait for the next one, and that may take an engine minutes.
        """
        until = time.perf_counter() + patience_s
        was_up = self.is_up(expert)
        while (left := until - time.perf_counter()) > 0:
            done, _ = await asyncio.wait([first], timeout=min(left, LOOK_INTERVAL_S))
            if done:
                return None
            if was_up and not self.is_up(expert):
                return DOWN
        return Refusal(503, "the expert is too slow", try_next=True, reason="slow")


def _end(first: "asyncio.Future[Any]", items: DeploymentResponseGenerator[Any]) -> None:
    """Cancel what an expert was asked; where it was refused, Serve may tell the refusal once more."""
    first.cancel()
    with suppress(*GONE):
        items.cancel()


async def stream(answer: Answer, deadline: float) -> AsyncIterator[bytes]:
    """The answer's bytes. What goes wrong now comes too late for another expert: it ends the stream with an error."""
    try:
        yield answer.first
        async with asyncio.timeout(deadline - time.perf_counter()):
            async for item in answer.rest:
                yield item
    except TimeoutError:
        yield error_event(504, "the request took too long", "timeout")
    except GONE as error:
        logger.warning("expert %s was lost after its first byte: %s", answer.expert, type(error).__name__)
        yield error_event(502, "the expert failed while it was answering", "expert_failed")
    finally:
        with suppress(*GONE):
            answer.rest.cancel()
