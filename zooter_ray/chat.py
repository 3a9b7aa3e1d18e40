"""How an expert is spoken to: its chat template, system prompt and decoding, in one place for batch and serving.

A prompt is rendered and tokenised here and handed to engines as token ids. The template writes every special token
itself (Gemma's `<bos>`, say), so tokenising adds none: each stands there exactly once.
"""

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from zooter_ray.config.generation import Decoding, ExpertConfig, HttpEngine
from zooter_ray.errors import ConfigError


@dataclass(frozen=True)
class Response:
    """One expert's answer to one query, or the reason why there is none."""

    text: str = ""
    finish_reason: str = ""  # stop | length
    prompt_tokens: int | None = 0  # None: not told
    generated_tokens: int | None = 0
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Prompt:
    """A query as an expert's engine gets it, or the reason why it cannot."""

    token_ids: list[int]
    error: str = ""


Message = dict[str, Any]  # role, content, and what tools need


def messages_of(expert: ExpertConfig, query: str, history: Sequence[Message] = ()) -> list[Message]:
    """The query as chat messages behind those of its history, with the expert's system prompt if it has one."""
    return with_system_prompt(expert, [*history, {"role": "user", "content": query}])


def with_system_prompt(expert: ExpertConfig, messages: list[Message]) -> list[Message]:
    """A conversation with the expert's system prompt at its head, before what the conversation's own may say."""
    if not expert.system_prompt:
        return messages
    if messages and messages[0]["role"] == "system":
        first, *messages = messages
        return [{"role": "system", "content": f"{expert.system_prompt}\n\n{first['content'] or ''}"}, *messages]
    return [{"role": "system", "content": expert.system_prompt}, *messages]


def fold_system(messages: list[Message]) -> list[Message]:
    """A conversation without the role `system`: its texts go to the head of the user turn that follows them."""
    folded: list[Message] = []
    told: list[str] = []
    for message in messages:
        if message["role"] == "system":
            told.append(message["content"] or "")
        elif message["role"] == "user" and told:
            folded.append({**message, "content": "\n\n".join([*told, message["content"] or ""])})
            told = []
        else:
            folded.append(message)
    return [*folded, {"role": "user", "content": "\n\n".join(told)}] if told else folded


def takes_system_role(expert: ExpertConfig, tokenizer: Any) -> bool:
    """Whether the expert's template knows the role `system`."""
    try:
        _token_ids(expert, tokenizer, [{"role": "system", "content": "-"}, {"role": "user", "content": "-"}])
    except jinja2.TemplateError:
        return False
    return True


def render(expert: ExpertConfig, tokenizer: Any, messages: list[Message]) -> list[int]:
    """Token ids of a conversation under the expert's template, up to where its answer begins.

    A template that does not know the role `system` gets system prompts at the head of the user turns behind them.
    """
    try:
        return _token_ids(expert, tokenizer, messages)
    except jinja2.TemplateError:
        if all(message["role"] != "system" for message in messages):
            raise
        return _token_ids(expert, tokenizer, fold_system(messages))


def _token_ids(expert: ExpertConfig, tokenizer: Any, messages: list[Message]) -> list[int]:
    text = tokenizer.apply_chat_template(
        messages, chat_template=expert.chat_template, add_generation_prompt=True, tokenize=False
    )
    token_ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return token_ids


def fit_prompt(
    expert: ExpertConfig, tokenizer: Any, query: str, window: int, history: Sequence[Message] = ()
) -> Prompt:
    """The prompt of a query, such that prompt and `decoding.max_tokens` new tokens fit into the context window.

    The new tokens are promised first. A query that leaves them no room is rejected, or loses its last tokens,
    as the expert's `long_queries` says; its history stays whole.
    """
    room = window - expert.decoding.max_tokens
    try:
        token_ids = render(expert, tokenizer, messages_of(expert, query, history))
    except jinja2.TemplateError as error:
        return Prompt([], f"the chat template refuses the query: {error}")
    if len(token_ids) > room and expert.long_queries == "truncate":
        token_ids = _truncated(expert, tokenizer, query, history, len(token_ids) - room, room)
    if len(token_ids) > room:
        return Prompt(
            [],
            f"the prompt has {len(token_ids)} tokens, but a window of {window} with {expert.decoding.max_tokens} "
            f"new tokens leaves room for {max(room, 0)}",
        )
    return Prompt(token_ids)


def _truncated(
    expert: ExpertConfig, tokenizer: Any, query: str, history: Sequence[Message], excess: int, room: int
) -> list[int]:
    """Render with ever fewer of the query's tokens; a cut can change how the rest is tokenised, hence the loop."""
    query_ids = tokenizer(query, add_special_tokens=False)["input_ids"]
    kept = len(query_ids) - excess
    while True:
        text = tokenizer.decode(query_ids[: max(kept, 0)], skip_special_tokens=True)
        token_ids = render(expert, tokenizer, messages_of(expert, text, history))
        if len(token_ids) <= room or kept <= 0:
            return token_ids
        kept -= len(token_ids) - room


def sampling_params(decoding: Decoding, sample: int) -> dict[str, Any]:
    """Decoding as vLLM's sampling parameters; each sample of a query gets a seed of its own."""
    given = {"temperature": decoding.temperature, "top_p": decoding.top_p, "max_tokens": decoding.max_tokens}
    params: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if decoding.stop:
        params["stop"] = list(decoding.stop)
    if decoding.seed is not None:
        params["seed"] = decoding.seed + sample
    return params


def with_decoding(body: Mapping[str, Any], decoding: Decoding) -> dict[str, Any]:
    """An OpenAI request body, completed by the expert's own decoding where the client says nothing."""
    given = {"temperature": decoding.temperature, "top_p": decoding.top_p, "seed": decoding.seed}
    defaults: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if body.get("max_completion_tokens") is None:
        defaults["max_tokens"] = decoding.max_tokens
    stop = [body["stop"]] if isinstance(body.get("stop"), str) else list(body.get("stop") or ())
    completed = {**defaults, **{name: value for name, value in body.items() if value is not None}}
    if stop or decoding.stop:
        completed["stop"] = list(dict.fromkeys([*stop, *decoding.stop]))
    return completed


def api_key_of(engine: HttpEngine) -> str:
    """The API key of an endpoint, from the environment.

    Raises:
        ConfigError: if it is not there.
    """
    if engine.api_key_env is None:
        return "none"
    if not (key := os.environ.get(engine.api_key_env)):
        raise ConfigError(f"{engine.base_url} needs an API key in the environment variable {engine.api_key_env}")
    return key


def openai_client(
    engine: HttpEngine, api_key: str, max_retries: int, before_retry: Callable[[], Awaitable[object]] | None = None
) -> Any:
    """A client of an OpenAI-compatible endpoint; retries and back-off are the openai client's."""
    import openai

    async def wait(request: Any) -> None:
        if before_retry is not None and request.headers.get("x-stainless-retry-count", "0") != "0":
            await before_retry()

    return openai.AsyncOpenAI(
        base_url=engine.base_url,
        api_key=api_key,
        timeout=engine.timeout_s,
        max_retries=max_retries,
        http_client=openai.DefaultAsyncHttpxClient(event_hooks={"request": [wait]}),
    )


class OpenAIChat:
    """One model behind an OpenAI-compatible endpoint, asked for whole responses."""

    def __init__(
        self, engine: HttpEngine, api_key: str, before_retry: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        self.engine = engine
        self.client = openai_client(engine, api_key, engine.max_retries, before_retry)

    async def respond(self, messages: list[Message], decoding: Decoding, sample: int) -> Response:
        """One response; a request that fails for good becomes a response with an error."""
        import openai
        from openai.types.chat import ChatCompletion

        params: Any = {"model": self.engine.served_name, "messages": messages, **sampling_params(decoding, sample)}
        started = time.perf_counter()
        try:
            reply = await self.client.chat.completions.create(**params)
        except (openai.OpenAIError, ValueError) as error:
            return Response(error=f"{self.engine.base_url}: {type(error).__name__}: {error}")
        message = reply.choices[0].message if isinstance(reply, ChatCompletion) and reply.choices else None
        content = getattr(message, "content", None)  # the client checks no types, and some send lists of parts
        if not isinstance(content, str):
            return Response(error=f"{self.engine.base_url}: the reply holds no text")
        return Response(
            text=content.encode(errors="replace").decode(),  # an emoji may have been cut in two
            finish_reason=str(reply.choices[0].finish_reason or "stop"),
            prompt_tokens=getattr(reply.usage, "prompt_tokens", None),
            generated_tokens=getattr(reply.usage, "completion_tokens", None),
            seconds=time.perf_counter() - started,
        )
