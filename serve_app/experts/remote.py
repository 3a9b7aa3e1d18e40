"""Experts behind OpenAI-compatible endpoints."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from ray import serve
from ray.serve import Application

from serve_app.capacity import deployment_options
from serve_app.replies import DONE, Refusal, Reply, gathered, guarded
from zooter_ray.chat import api_key_of, openai_client, with_decoding, with_system_prompt
from zooter_ray.config.generation import ExpertConfig, HttpEngine
from zooter_ray.config.serving import ServingConfig

PATHS = {"chat": "/chat/completions", "completions": "/completions"}


class RemoteExpert:
    """Replica: a client of the endpoint. It tries once: the service has other experts to turn to."""

    def __init__(self, engine: HttpEngine, experts: Sequence[ExpertConfig], stream_interval_s: float) -> None:
        self.experts = {expert.id: expert for expert in experts}
        self.served_name = engine.served_name
        self.client = openai_client(engine, api_key_of(engine), max_retries=0)
        self.stream_interval_s = stream_interval_s

    @guarded
    async def answer(self, endpoint: str, expert_id: str, body: dict[str, Any]) -> Reply:
        """The expert's reply to a request body of `chat` or `completions`."""
        import openai

        expert = self.experts[expert_id]
        completed = {**with_decoding(body, expert.decoding), "model": self.served_name}
        if endpoint == "chat":
            completed["messages"] = with_system_prompt(expert, completed["messages"])
        try:
            reply = await self._ask(endpoint, completed)
        except openai.APIStatusError as error:
            yield _refusal(error)
            return
        except openai.APIConnectionError:
            yield Refusal(503, "the expert cannot be reached", try_next=True, reason="down")
            return
        if not completed.get("stream"):
            yield reply.model_copy(update={"model": expert_id}).model_dump_json(exclude_unset=True).encode()
            return
        async with aclosing(gathered(self._events(reply, expert_id), self.stream_interval_s)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _ask(self, endpoint: str, body: dict[str, Any]) -> Any:
        from openai import AsyncStream
        from openai.types import Completion
        from openai.types.chat import ChatCompletion, ChatCompletionChunk

        whole, chunk = (ChatCompletion, ChatCompletionChunk) if endpoint == "chat" else (Completion, Completion)
        streamed = {"stream": True, "stream_cls": AsyncStream[chunk]} if body.get("stream") else {}  # type: ignore[valid-type]
        return await self.client.post(PATHS[endpoint], cast_to=whole, body=body, **streamed)

    async def _events(self, chunks: AsyncIterator[Any], expert_id: str) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            named = chunk.model_copy(update={"model": expert_id})
            yield f"data: {named.model_dump_json(exclude_unset=True)}\n\n".encode()
        yield DONE


def _refusal(error: Any) -> Refusal:
    """The endpoint's no. A wrong key, URL or name and a lack of capacity are nothing that the client did."""
    status = int(error.status_code)
    if status in (400, 413, 422):
        detail = error.body.get("message") if isinstance(error.body, dict) else None
        too_long = isinstance(detail, str) and "context length" in detail
        reason = "too long" if too_long else "refused"
        return Refusal(400, str(detail or "the expert refuses the request"), try_next=True, reason=reason)
    busy = status in (408, 429, 503)
    return Refusal(503 if busy else 502, "the expert failed", try_next=True, reason="busy" if busy else "failed")


def remote_deployment(
    engine: HttpEngine, experts: Sequence[ExpertConfig], name: str, serving: ServingConfig
) -> Application:
    """The deployment of one endpoint, bound. Its replicas read the API key themselves: Serve keeps no copy.

    Raises:
        ConfigError: if there is no key here either.
    """
    api_key_of(engine)
    level = serving.experts.get(experts[0].id, serving.expert)
    deployment = serve.deployment(RemoteExpert, name=name, **deployment_options(level, serving))
    return deployment.bind(engine, list(experts), serving.stream_interval_s)
