"""Experts in vLLM under Ray Serve LLM. All that the service needs of Ray's own LLM server is in this file."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from pydantic import ValidationError
from ray.serve import Application
from ray.serve.llm import LLMConfig, LLMServer, build_llm_deployment
from transformers import AutoTokenizer

from serve_app.capacity import deployment_options
from serve_app.errors import error_event
from serve_app.replies import Refusal, Reply, gathered, guarded
from zooter_ray.chat import fold_system, takes_system_role, with_decoding, with_system_prompt
from zooter_ray.config.generation import ExpertConfig, VllmEngine
from zooter_ray.config.serving import ServingConfig
from zooter_ray.package_models import resolve_source
from zooter_ray.resources import serving_kwargs

TOO_LONG = ("input_tokens", "input_text", "max_tokens", "max_completion_tokens")
ERROR_EVENT = 'data: {"error"'


class LocalExpert(LLMServer):  # type: ignore[misc]  # Ray ships no types
    """Replica: one vLLM engine and the experts that share it."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, llm_config: LLMConfig, experts: Sequence[ExpertConfig], stream_interval_s: float
    ) -> None:
        await super().__init__(llm_config)
        tokenizer = AutoTokenizer.from_pretrained(llm_config.model_loading_config.model_source)
        self.experts = {expert.id: expert for expert in experts}
        self.takes_system = {expert.id: takes_system_role(expert, tokenizer) for expert in experts}
        self.served_name = llm_config.model_id
        self.stream_interval_s = stream_interval_s

    @guarded
    async def answer(self, endpoint: str, expert_id: str, body: dict[str, Any]) -> Reply:
        """The expert's reply to a request body of `chat` or `completions`."""
        try:
            request = self._request(endpoint, self.experts[expert_id], body)
        except ValidationError as error:
            problem = error.errors()[0]
            yield Refusal(400, f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}", try_next=False)
            return
        items = await (self.chat if endpoint == "chat" else self.completions)(request)
        first = await anext(items)
        first = first[0] if isinstance(first, list) else first
        if hasattr(first, "error"):
            yield _refusal(first.error.code, first.error.message, first.error.param)
        elif isinstance(first, str) and first.startswith(ERROR_EVENT):
            told = json.loads(first.removeprefix("data: "))["error"]
            yield _refusal(told["code"], told["message"], told.get("param"))
        elif hasattr(first, "model_dump_json"):
            first.model = expert_id
            yield first.model_dump_json().encode()
        else:
            events = self._events(first, items, expert_id)
            async with aclosing(gathered(events, self.stream_interval_s)) as chunks:
                async for chunk in chunks:
                    yield chunk

    def _request(self, endpoint: str, expert: ExpertConfig, body: dict[str, Any]) -> Any:
        """vLLM's request: the expert's template, system prompt and decoding, and what the client gave."""
        from ray.llm._internal.serve.core.configs.openai_api_models import ChatCompletionRequest, CompletionRequest

        completed = {**with_decoding(body, expert.decoding), "model": self.served_name}
        if endpoint == "completions":
            return CompletionRequest(**completed)
        messages = with_system_prompt(expert, completed["messages"])
        completed["messages"] = messages if self.takes_system[expert.id] else fold_system(messages)
        return ChatCompletionRequest(**completed, chat_template=expert.chat_template)

    async def _events(self, first: str, items: AsyncIterator[list[str]], expert_id: str) -> AsyncIterator[bytes]:
        """vLLM's events under the expert's name; an error in their midst loses its text and ends them."""
        served, named = f'"model":{json.dumps(self.served_name)}', f'"model":{json.dumps(expert_id)}'
        waiting = [first]
        while True:
            for text in waiting:
                if text.startswith(ERROR_EVENT):
                    yield error_event(500, "the expert failed while it was answering", "expert_failed")
                    return
                yield text.replace(served, named, 1).encode()
            try:
                waiting = await anext(items)
            except StopAsyncIteration:
                return


def _refusal(code: int, message: str, param: str | None) -> Refusal:
    """What vLLM refuses. What is too long for this expert, or more than it can, may be within reach of another."""
    if code == 429 or code >= 500:
        return Refusal(503 if code == 429 else 502, "the expert failed", try_next=True, reason="failed")
    return Refusal(code, message, try_next=True, reason="too long" if param in TOO_LONG else "refused")


def local_deployment(
    engine: VllmEngine, experts: Sequence[ExpertConfig], name: str, serving: ServingConfig
) -> Application:
    """The deployment of one engine, bound; the first of the experts owns it."""
    owner = experts[0]
    level = serving.experts.get(owner.id, serving.expert)
    config = LLMConfig(
        model_loading_config={"model_id": owner.id, "model_source": resolve_source(engine.source)},
        engine_kwargs={
            "dtype": engine.dtype,
            "max_model_len": engine.max_model_len,
            "tensor_parallel_size": engine.tensor_parallel_size,
            # Templates come from chat.py with every request; the ingress lets no client bring its own.
            "trust_request_chat_template": True,
            # Nor does a checkpoint's generation_config.json have a say: decoding is the expert's, as in batch.
            "generation_config": "vllm",
            **engine.engine_kwargs,
        },
        deployment_config={**deployment_options(level, serving), "ray_actor_options": {"num_cpus": 0}},
        experimental_configs={"stream_batching_interval_ms": 0},
        log_engine_metrics=not engine.engine_kwargs.get("disable_log_stats", False),
        **serving_kwargs(engine.resources, engine.tensor_parallel_size),
    )
    return build_llm_deployment(
        config,
        deployment_cls=LocalExpert,
        bind_kwargs={"experts": list(experts), "stream_interval_s": serving.stream_interval_s},
        override_serve_options={"name": name},
    )
