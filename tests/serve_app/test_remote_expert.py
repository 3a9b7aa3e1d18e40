"""Experts behind other endpoints: here, behind the service itself, which speaks the same language."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from serve_app.args import ServeArgs
from tests.serve_app.conftest import Service, ask, client_of, make_router, serving, simulated
from tests.stages import endpoint

pytestmark = [pytest.mark.slow, pytest.mark.extended]


def remote(expert_id: str, url: str, served_name: str) -> dict[str, Any]:
    engine = {"kind": "http", "base_url": url, "served_name": served_name, "timeout_s": 5}
    return {"id": expert_id, "engine": engine, "system_prompt": "Be brief.", "decoding": {"max_tokens": 24}}


@pytest.fixture(scope="module")
def hosted(service: Service, http_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Experts: hosted, which is `wordy` of the simulated service; failing, its `broken`; gone; picky; local.

    Nobody listens where `gone` is; `picky` finds fault with every request.
    """
    directory = tmp_path_factory.mktemp("router")
    predictor = make_router(directory, ["hosted", "failing", "gone", "picky", "local"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    with endpoint.serving(lambda query, tries: (400, "no tools here")) as picky:
        experts = [
            remote("hosted", f"{service.url}/v1", "wordy"),
            remote("failing", f"{service.url}/v1", "broken"),
            remote("gone", nobody, "any"),
            remote("picky", picky.base_url, "any"),
            simulated("local", tokens=4),
        ]
        args = ServeArgs.model_validate({"router": str(directory), "experts": experts, "serving": {"max_attempts": 2}})
        with serving("hosted", http_port, args, predictor) as running:
            yield running


@pytest.fixture
def client(hosted: Service) -> Iterator[openai.OpenAI]:
    with client_of(hosted) as client:
        yield client


def test_a_remote_expert_answers_under_its_own_id(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="hosted", messages=ask("Hi"))
    assert reply.model == "hosted"
    assert reply.choices[0].message.content
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 24


def test_every_chunk_of_a_remote_experts_stream_carries_its_id(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="hosted", messages=ask("Hi"), stream=True, max_tokens=6))
    assert {chunk.model for chunk in chunks} == {"hosted"}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text.split() == ["wordy", "does", "not", "know.", "wordy", "does"]
    assert chunks[-1].choices[0].finish_reason == "length"


def test_a_remote_expert_completes_plain_prompts(client: openai.OpenAI) -> None:
    assert client.completions.create(model="hosted", prompt="Hi").model == "hosted"
    chunks = list(client.completions.create(model="hosted", prompt="Hi", stream=True))
    assert {chunk.model for chunk in chunks} == {"hosted"}


@pytest.mark.parametrize("expert", ["failing", "gone", "picky"])
def test_an_endpoint_that_fails_is_gone_or_refuses_is_replaced(
    hosted: Service, client: openai.OpenAI, expert: str
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="zooter", messages=ask(hosted.query_for(expert, "local"))
    )
    assert raw.headers["x-zooter-expert"] == "local"
    assert raw.headers["x-zooter-attempts"] == "2"


@pytest.mark.parametrize("order", [("picky", "gone"), ("failing", "picky")])
def test_where_nobody_answers_the_fault_of_the_request_is_told(
    hosted: Service, client: openai.OpenAI, order: tuple[str, str]
) -> None:
    with pytest.raises(openai.BadRequestError, match="no tools here"):
        client.chat.completions.create(model="zooter", messages=ask(hosted.query_for(*order)))


def test_nothing_of_the_endpoint_is_told_to_clients(hosted: Service) -> None:
    reply = httpx.post(f"{hosted.url}/v1/chat/completions", json={"model": "gone", "messages": ask("Hi")})
    assert reply.status_code == 503
    assert "127.0.0.1" not in reply.text
    assert reply.json()["error"]["code"] == "overloaded"
