"""What an expert's deployment yields: a whole reply or server-sent events, as bytes, or one refusal."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from serve_app.errors import error_event

logger = logging.getLogger("ray.serve")
E = TypeVar("E")
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Refusal:
    """An expert says no before its first byte."""

    status: int
    message: str
    try_next: bool  # whether another expert may answer what this one would not
    reason: str = "refused"  # in a word, for logs and metrics


Reply = AsyncGenerator[bytes | Refusal, None]


def guarded(answer: Callable[[E, str, str, dict[str, Any]], Reply]) -> Callable[[E, str, str, dict[str, Any]], Reply]:
    """The boundary of an expert: whatever goes wrong inside it becomes a refusal, or after the first byte an event.

    It has to catch everything: an exception that left the replica would take its text, and its class, which the
    ingress may not even be able to import, along.
    """

    @wraps(answer)
    async def guarded_answer(self: E, endpoint: str, expert_id: str, body: dict[str, Any]) -> Reply:
        begun = False
        try:
            async with aclosing(answer(self, endpoint, expert_id, body)) as reply:
                async for item in reply:
                    yield item
                    begun = True
        except Exception:
            logger.exception("expert %s failed", expert_id)
            if begun:
                yield error_event(502, "the expert failed while it was answering", "expert_failed")
            else:
                yield Refusal(502, "the expert failed", try_next=True, reason="failed")

    return guarded_answer


def event(content: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


async def gathered(events: AsyncIterator[bytes], interval_s: float) -> AsyncGenerator[bytes, None]:
    """Events that come within an interval, sent together; the first goes out at once.

    Every item crosses two processes on its way to the client, so that fewer and larger ones cost less.
    """
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    reader = asyncio.create_task(_read(events, queue))
    try:
        while (first := await queue.get()) is not None:
            items = [first]
            while not queue.empty() and (item := queue.get_nowait()) is not None:
                items.append(item)
            yield b"".join(items)
            if reader.done() and queue.empty():
                break
            await asyncio.sleep(interval_s)
        await reader
    finally:
        reader.cancel()


async def _read(events: AsyncIterator[bytes], queue: asyncio.Queue[bytes | None]) -> None:
    try:
        async for item in events:
            queue.put_nowait(item)
    finally:
        queue.put_nowait(None)


def chat_chunk(expert: str, reply_id: str, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    """One chunk of a streamed chat reply."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return event(
        {"id": reply_id, "object": "chat.completion.chunk", "created": int(time.time()), "model": expert,
         "choices": [choice]}
    )  # fmt: skip


def chat_reply(expert: str, text: str, finish_reason: str, prompt_tokens: int, tokens: int) -> bytes:
    """A whole chat reply."""
    choice = {
        "index": 0, "message": {"role": "assistant", "content": text}, "logprobs": None, "finish_reason": finish_reason
    }  # fmt: skip
    return json.dumps(_reply("chat.completion", expert, choice, prompt_tokens, tokens)).encode()


def completion_reply(expert: str, text: str, finish_reason: str, prompt_tokens: int, tokens: int) -> bytes:
    """A whole plain completion."""
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
    return json.dumps(_reply("text_completion", expert, choice, prompt_tokens, tokens)).encode()


def completion_chunk(expert: str, reply_id: str, text: str, finish_reason: str | None = None) -> bytes:
    """One chunk of a streamed plain completion."""
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}
    return event(
        {"id": reply_id, "object": "text_completion", "created": int(time.time()), "model": expert, "choices": [choice]}
    )


def new_id(kind: str) -> str:
    """An id for a reply."""
    return f"{kind}-{uuid.uuid4().hex}"


def _reply(kind: str, expert: str, choice: dict[str, Any], prompt_tokens: int, tokens: int) -> dict[str, Any]:
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}
    return {
        "id": new_id("chatcmpl" if kind == "chat.completion" else "cmpl"), "object": kind, "created": int(time.time()),
        "model": expert, "choices": [choice], "usage": usage,
    }  # fmt: skip
