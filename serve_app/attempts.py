"""Ask experts one after the other until one begins to answer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from serve_app.errors import ApiError, error_event
from serve_app.metrics import ServiceMetrics
from serve_app.replies import Refusal

logger = logging.getLogger("ray.serve")


@dataclass
class Answer:
    """An expert that has begun to answer: its first bytes, and the rest to come."""

    expert: str
    attempts: int
    first: bytes
    rest: DeploymentResponseGenerator[Any]


async def first_answer(
    handles: Mapping[str, DeploymentHandle[Any]],
    order: Sequence[str],
    endpoint: str,
    body: dict[str, Any],
    timeout_s: float,
    retry_after_s: int,
    metrics: ServiceMetrics,
) -> Answer:
    """The first expert in `order` that begins to answer.

    Raises:
        ApiError: the client's own error, as the expert told it; 503 if every expert is busy or down.
    """
    reasons: list[str] = []
    for attempts, expert in enumerate(order, start=1):
        found = await _attempt(handles[expert], endpoint, expert, body, timeout_s)
        if isinstance(found, tuple):
            return Answer(expert, attempts, *found)
        if not found.try_next:
            raise ApiError(found.status, found.message)
        reasons.append(found.message)
        metrics.fallbacks.inc(tags={"expert": expert, "reason": found.message.split(":")[0][:40]})
        logger.warning("expert %s did not answer (%s), attempt %d of %d", expert, found.message, attempts, len(order))
        last = found
    if last.status < 500:
        raise ApiError(last.status, last.message)
    raise ApiError(503, "no expert can answer at the moment", "overloaded", retry_after_s=retry_after_s)


async def _attempt(
    handle: DeploymentHandle[Any], endpoint: str, expert: str, body: dict[str, Any], timeout_s: float
) -> tuple[bytes, DeploymentResponseGenerator[Any]] | Refusal:
    """The first bytes of an expert's reply and the generator of the rest, or why there are none."""
    items = handle.answer.remote(endpoint, expert, body)
    try:
        async with asyncio.timeout(timeout_s):
            first = await anext(items)
    except BackPressureError:
        return Refusal(503, "busy", try_next=True)
    except TimeoutError:
        items.cancel()
        return Refusal(503, "too slow", try_next=True)
    except (ray.exceptions.RayError, RayServeException) as error:
        logger.warning("expert %s: %s", expert, type(error).__name__)
        return Refusal(503, "down", try_next=True)
    return first if isinstance(first, Refusal) else (first, items)


async def stream(answer: Answer, seconds_left: float) -> AsyncIterator[bytes]:
    """The answer's bytes. What goes wrong now comes too late for another expert: it ends the stream with an error."""
    yield answer.first
    try:
        async with asyncio.timeout(seconds_left):
            async for item in answer.rest:
                yield item
    except TimeoutError:
        yield error_event(504, "the request took too long", "timeout")
    except (ray.exceptions.RayError, RayServeException) as error:
        logger.warning("expert %s failed after its first byte: %s", answer.expert, type(error).__name__)
        yield error_event(502, "the expert failed while it was answering", "expert_failed")
    finally:
        answer.rest.cancel()
