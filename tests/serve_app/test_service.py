"""The service as clients see it, through the official client, with simulated experts."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.serve_app.conftest import Service, ask

pytestmark = pytest.mark.slow
ASK = ask("What is 2 + 2?")


def test_zooter_is_listed_first_then_the_experts(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["zooter", "quick", "wordy", "broken"]
    assert client.models.retrieve("wordy").id == "wordy"


@pytest.mark.parametrize("expert", ["quick", "wordy"])
def test_a_query_goes_to_the_expert_that_the_router_prefers(
    service: Service, client: openai.OpenAI, expert: str
) -> None:
    query = service.query_for(expert)
    raw = client.chat.completions.with_raw_response.create(model="zooter", messages=ask(query))
    reply = raw.parse()
    assert reply.model == raw.headers["x-zooter-expert"] == expert
    assert raw.headers["x-zooter-attempts"] == "1"
    probability = service.predictor([query])[0].max()
    assert float(raw.headers["x-zooter-probability"]) == pytest.approx(probability, abs=1e-3)
    assert f"{expert} does not know." in (reply.choices[0].message.content or "")
    assert reply.usage is not None
    assert reply.usage.completion_tokens == {"quick": 4, "wordy": 24}[expert]


def test_an_expert_answers_directly_when_it_is_named(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="quick", messages=ASK)
    assert raw.parse().model == raw.headers["x-zooter-expert"] == "quick"
    assert "x-zooter-probability" not in raw.headers


def test_every_chunk_of_a_stream_carries_the_experts_id(service: Service, client: openai.OpenAI) -> None:
    query = service.query_for("wordy")
    raw = client.chat.completions.with_raw_response.create(model="zooter", messages=ask(query), stream=True)
    assert raw.headers["x-zooter-expert"] == "wordy"
    chunks = list(raw.parse())
    assert {chunk.model for chunk in chunks} == {"wordy"}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text.split() == ["wordy", "does", "not", "know."] * 6
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_plain_completion_is_routed_on_its_prompt(service: Service, client: openai.OpenAI) -> None:
    reply = client.completions.create(model="zooter", prompt=service.query_for("quick"))
    assert reply.model == "quick"
    assert reply.choices[0].text
    chunks = list(client.completions.create(model="zooter", prompt=service.query_for("quick"), stream=True))
    assert {chunk.model for chunk in chunks} == {"quick"}
    assert "".join(chunk.choices[0].text for chunk in chunks) == reply.choices[0].text


def test_the_async_client_works_too_many_at_a_time(service: Service) -> None:
    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none") as client:

            async def one(number: int) -> str:
                query = service.query_for("quick") if number % 2 else service.query_for("wordy")
                stream = await client.chat.completions.create(
                    model="zooter",
                    messages=ask(query),
                    stream=True,
                )
                return {chunk.model async for chunk in stream}.pop()

            return await asyncio.gather(*map(one, range(20)))

    assert asyncio.run(run()) == ["wordy", "quick"] * 10


@pytest.mark.parametrize("stream", [False, True])
def test_an_expert_that_refuses_is_replaced_by_the_next_in_the_routers_order(
    service: Service, client: openai.OpenAI, stream: bool
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="zooter", messages=ask(service.query_for("broken", "quick")), stream=stream
    )
    assert raw.headers["x-zooter-expert"] == "quick"
    assert raw.headers["x-zooter-attempts"] == "2"


def test_an_expert_that_is_named_has_no_stand_in(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="broken", messages=ASK)
    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "overloaded"
    assert "simulated" not in caught.value.response.text


def test_a_route_is_the_ranked_distribution_and_generates_nothing(service: Service) -> None:
    query = service.query_for("wordy")
    found = httpx.post(f"{service.url}/v1/route", json={"query": query}).json()
    probabilities = [item["probability"] for item in found["distribution"]]
    assert found["expert"] == found["distribution"][0]["expert"] == "wordy"
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)
    conversation = [*ask(query), {"role": "assistant", "content": "No."}, *ask("And now?")]
    assert httpx.post(f"{service.url}/v1/route", json={"messages": conversation}).json() == found


def test_the_router_says_what_it_was_made_from(service: Service) -> None:
    card = httpx.get(f"{service.url}/v1/router").json()
    assert card["experts"] == ["quick", "wordy", "broken"]
    assert card["beta"] == 0.3


def test_health_and_readiness(service: Service) -> None:
    assert httpx.get(f"{service.url}/healthz").json() == {"status": "ok"}
    ready = httpx.get(f"{service.url}/readyz")
    assert ready.status_code == 200
    assert ready.json()["experts"] == {"quick": True, "wordy": True, "broken": True}


def test_an_unknown_model_gets_404(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-99", messages=ASK)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("../../etc/passwd")


@pytest.mark.parametrize("endpoint", ["chat/completions", "completions", "route"])
def test_malformed_json_gets_400_in_openais_form(service: Service, endpoint: str) -> None:
    reply = httpx.post(f"{service.url}/v1/{endpoint}", content=b'{"model": "zooter"')
    assert reply.status_code == 400
    assert reply.json()["error"] == {
        "message": "the request body is not valid JSON",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_json",
    }


def test_lists_of_prompts_get_400(service: Service) -> None:
    reply = httpx.post(f"{service.url}/v1/completions", json={"model": "zooter", "prompt": ["one", "two"]})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "prompt"


def test_a_body_over_the_limit_gets_413_also_without_its_length(service: Service) -> None:
    body = json.dumps({"model": "zooter", "messages": ask("x" * 30_000)}).encode()

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    for content in (body, parts()):
        reply = httpx.post(f"{service.url}/v1/chat/completions", content=content)
        assert reply.status_code == 413
        assert reply.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize("path", ["/tokenize", "/v1/score", "/v1/embeddings", "/docs", "/openapi.json", "/v1/nothing"])
def test_there_is_no_endpoint_that_nobody_asked_for(service: Service, path: str) -> None:
    for reply in (httpx.get(f"{service.url}{path}"), httpx.post(f"{service.url}{path}", json={})):
        assert reply.status_code == 404
        assert reply.json()["error"]["type"] == "not_found_error"


def test_no_origin_is_let_in_by_default(service: Service) -> None:
    reply = httpx.options(
        f"{service.url}/v1/chat/completions",
        headers={"origin": "http://evil.example", "access-control-request-method": "POST"},
    )
    assert "access-control-allow-origin" not in reply.headers
