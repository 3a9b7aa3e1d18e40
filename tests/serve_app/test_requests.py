"""What clients may ask, and what they are told when it is wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from serve_app.errors import ApiError
from serve_app.requests import ChatRequest, CompletionRequest, RouteRequest, parse, read_body

CHAT = {"model": "zooter", "messages": [{"role": "user", "content": "Hi"}]}


def refused(model: Any, content: Any) -> ApiError:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(ApiError) as caught:
        parse(model, body)
    return caught.value


def test_a_chat_body_for_an_expert_holds_what_the_client_gave_and_no_model() -> None:
    request = parse(ChatRequest, json.dumps({**CHAT, "temperature": 0.5, "stream": True}).encode())
    assert request.model == "zooter"
    assert request.to_body() == {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "stream": True}


def test_text_parts_become_one_text_and_developers_speak_as_system() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    body = parse(ChatRequest, json.dumps({**CHAT, "messages": messages}).encode()).to_body()
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one\ntwo"},
    ]


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"n": 16384}, "n"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"seed": 2**63}, "seed"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages.0.role"),
        ({"logit_bias": {str(token): 1 for token in range(2000)}}, "logit_bias"),
    ],
)
def test_bad_values_are_refused_by_name(changed: dict[str, Any], param: str) -> None:
    error = refused(ChatRequest, {**CHAT, **changed})
    assert (error.status, error.code, error.param) == (400, "invalid_value", param)


@pytest.mark.parametrize("field", ["chat_template", "chat_template_kwargs", "add_special_tokens", "prompt_logprobs"])
def test_fields_that_would_get_round_the_experts_template_are_unknown(field: str) -> None:
    error = refused(ChatRequest, {**CHAT, field: "x", "temperature": 9})
    assert (error.status, error.code, error.param) == (400, "unknown_parameter", field)
    assert error.body()["error"]["type"] == "invalid_request_error"


def test_pictures_are_refused() -> None:
    picture = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}
    error = refused(ChatRequest, {**CHAT, "messages": [{"role": "user", "content": [picture]}]})
    assert error.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"null",
        b'{"model": NaN}',
        b"[" * 20_000,
        b"[1" * 20_000,
        b'{"model": "\\ud800"}',
        b'{"top_p": 1e999}',
    ],
)
def test_what_is_no_json_object_gets_400(body: bytes) -> None:
    error = refused(ChatRequest, body)
    assert (error.status, error.code) == (400, "invalid_json")


@pytest.mark.parametrize("prompt", [["one", "two"], [1, 2, 3], [[1, 2], [3]], None, 7])
def test_a_completion_takes_one_text_and_neither_lists_nor_token_ids(prompt: Any) -> None:
    error = refused(CompletionRequest, {"model": "zooter", "prompt": prompt})
    assert (error.status, error.param) == (400, "prompt")


def test_routes_are_asked_with_a_query_or_a_conversation() -> None:
    assert parse(RouteRequest, b'{"query": "Hi"}').query == "Hi"
    assert refused(RouteRequest, {"query": ""}).status == 400


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def test_a_body_is_read_whole_up_to_the_limit() -> None:
    assert asyncio.run(read_body(chunks(b"ab", b"cd"), "4", 4)) == b"abcd"


@pytest.mark.parametrize(
    ("parts", "declared"), [([b"abcde"], "5"), ([], "5"), ([b"abc", b"de"], None), ([b"abcde"], "1")]
)
def test_a_longer_body_is_refused_whatever_its_length_is_said_to_be(parts: list[bytes], declared: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        asyncio.run(read_body(chunks(*parts), declared, 4))
    assert caught.value.status == 413
