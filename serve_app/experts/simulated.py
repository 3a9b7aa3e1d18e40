"""Simulated experts, for tests and benchmarks: the answers of simulation.py in their simulated time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from itertools import cycle, islice
from typing import Any

from ray import serve
from ray.serve import Application

from serve_app import replies
from serve_app.capacity import deployment_options
from serve_app.replies import DONE, Refusal, Reply, gathered, guarded
from zooter_ray.chat import Response, with_decoding
from zooter_ray.config.generation import DummyEngine, ExpertConfig
from zooter_ray.config.serving import ServingConfig
from zooter_ray.simulation import log_request, simulate


class SimulatedExpert:
    """Replica: answers as many requests at once as it is given."""

    def __init__(self, engine: DummyEngine, experts: Sequence[ExpertConfig], stream_interval_s: float) -> None:
        self.engine = engine
        self.experts = {expert.id: expert for expert in experts}
        self.stream_interval_s = stream_interval_s

    @guarded
    async def answer(self, endpoint: str, expert_id: str, body: dict[str, Any]) -> Reply:
        """The expert's reply to a request body of `chat` or `completions`."""
        body = with_decoding(body, self.experts[expert_id].decoding)
        query = body["messages"][-1]["content"] if endpoint == "chat" else body["prompt"]
        limit = body.get("max_completion_tokens") or body["max_tokens"]
        if self.engine.request_log is not None:
            log_request(self.engine.request_log, expert_id)
        response = simulate(self.engine, expert_id, query or "", "*", None, 0, limit)
        await asyncio.sleep(self.engine.first_token_s)
        if self.engine.breaks_after == 0:
            raise RuntimeError("simulated defect of expert " + expert_id)
        if response.error:
            yield Refusal(502, "the expert failed", try_next=True, reason="failed")
        elif body.get("stream"):
            events = self._events(endpoint, expert_id, response)
            async with aclosing(gathered(events, self.stream_interval_s)) as chunks:
                async for chunk in chunks:
                    yield chunk
        else:
            await asyncio.sleep(response.seconds - self.engine.first_token_s)
            whole = replies.chat_reply if endpoint == "chat" else replies.completion_reply
            text = "".join(_pieces(response))
            took = response.prompt_tokens or 0, response.generated_tokens or 0
            yield whole(expert_id, text, response.finish_reason, *took)

    async def _events(self, endpoint: str, expert_id: str, response: Response) -> AsyncIterator[bytes]:
        if endpoint == "chat":
            reply_id = replies.new_id("chatcmpl")
            yield replies.chat_chunk(expert_id, reply_id, {"role": "assistant", "content": ""})
        else:
            reply_id = replies.new_id("cmpl")
        for number, piece in enumerate(_pieces(response)):
            if number:
                await asyncio.sleep(self.engine.per_token_s)
            if number == self.engine.breaks_after:
                raise RuntimeError("simulated defect of expert " + expert_id)
            yield (
                replies.chat_chunk(expert_id, reply_id, {"content": piece})
                if endpoint == "chat"
                else replies.completion_chunk(expert_id, reply_id, piece)
            )
        yield (
            replies.chat_chunk(expert_id, reply_id, {}, response.finish_reason)
            if endpoint == "chat"
            else replies.completion_chunk(expert_id, reply_id, "", response.finish_reason)
        )
        yield DONE


def _pieces(response: Response) -> list[str]:
    """The text as so many tokens, over and over again if it is short."""
    return [f"{word} " for word in islice(cycle(response.text.split()), response.generated_tokens)]


def simulated_deployment(
    engine: DummyEngine, experts: Sequence[ExpertConfig], name: str, serving: ServingConfig
) -> Application:
    """The deployment of one simulated engine, bound."""
    level = serving.experts.get(experts[0].id, serving.expert)
    deployment = serve.deployment(SimulatedExpert, name=name, **deployment_options(level, serving))
    return deployment.bind(engine, list(experts), serving.stream_interval_s)
