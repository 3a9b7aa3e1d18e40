"""What clients may ask: the fields of OpenAI's API that experts understand. Everything else is refused by name."""

import json
import math
from collections.abc import AsyncIterator
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from serve_app.errors import ApiError

MAX_STOPS = 16
R = TypeVar("R", bound=BaseModel)


class Strict(BaseModel):
    """A part of a request; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class TextPart(Strict):
    """A part of a message's content; experts read text alone."""

    type: Literal["text"]
    text: str


class Message(Strict):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    # Clients send back what they were sent: these stand in replies, and no expert reads them.
    refusal: Any = None
    annotations: Any = None
    audio: Any = None
    function_call: Any = None
    reasoning: Any = None
    reasoning_content: Any = None

    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(Strict):
    """Options of a streamed reply."""

    include_usage: bool = False


class DecodingFields(Strict):
    """Fields that chat and plain completions share. vLLM's own (top_k and the like) work on experts that know them."""

    model: str = Field(min_length=1, max_length=256)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    n: int | None = Field(None, ge=1, le=8)
    stop: str | list[str] | None = Field(None)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = Field(None, max_length=1024)
    user: str | None = Field(None, max_length=512)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    return_token_ids: bool | None = None

    @field_validator("stop")
    @classmethod
    def _few_stops(cls, value: str | list[str] | None) -> str | list[str] | None:
        if isinstance(value, list) and len(value) > MAX_STOPS:
            raise ValueError(f"at most {MAX_STOPS} stop strings")
        return value


class ChatRequest(DecodingFields):
    """Body of /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1, max_length=2048)
    max_completion_tokens: int | None = Field(None, ge=1, le=1_000_000)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=128)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None

    def to_body(self) -> dict[str, Any]:
        """The body for an expert: what the client gave, contents as plain texts, `developer` as `system`."""
        body = self.model_dump(exclude_unset=True, exclude={"messages", "model"})
        body["messages"] = [
            {
                **message.model_dump(include={"name", "tool_calls", "tool_call_id"}, exclude_none=True),
                "role": "system" if message.role == "developer" else message.role,
                "content": message.text() if message.content is not None or not message.tool_calls else None,
            }
            for message in self.messages
        ]
        return body


class CompletionRequest(DecodingFields):
    """Body of /v1/completions: one text prompt."""

    prompt: str
    suffix: None = None
    echo: bool | None = None
    logprobs: int | None = Field(None, ge=0, le=20)

    def to_body(self) -> dict[str, Any]:
        """The body for an expert: what the client gave."""
        return self.model_dump(exclude_unset=True, exclude={"model"})


class RouteRequest(Strict):
    """Body of /v1/route: a query, or a conversation."""

    query: str | None = Field(None, min_length=1)
    messages: list[Message] | None = Field(None, min_length=1, max_length=2048)


async def read_body(chunks: AsyncIterator[bytes], declared: str | None, limit: int) -> bytes:
    """The body of a request, read no further than the limit, whatever its Content-Length says.

    Raises:
        ApiError: 413 if it is longer.
    """
    too_long = ApiError(413, f"the request body is longer than {limit} bytes", "request_too_large")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise too_long
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise too_long
    return bytes(body)


def parse(model: type[R], body: bytes) -> R:
    """A request from its JSON body.

    Raises:
        ApiError: 400 that names the field.
    """
    try:
        content = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair has no encoding
        return model.model_validate(content)
    except ValidationError as error:
        raise _field_error(error) from None
    except (ValueError, RecursionError):
        raise ApiError(400, "the request body is not valid JSON", "invalid_json") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"{digits} is no number that a float can hold")
    return number


def _field_error(error: ValidationError) -> ApiError:
    """The first thing that is wrong, an unknown field before all."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    field = ".".join(str(step) for step in first["loc"]) or None
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"unrecognized request argument: {field}", "unknown_parameter", field)
    if field is None:
        return ApiError(400, "the request body must be a JSON object", "invalid_json")
    return ApiError(400, f"{field}: {first['msg']}", "invalid_value", field)
