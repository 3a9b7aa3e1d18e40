"""What clients are told when experts are slow or have a defect, and when the ingress itself is full."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import openai
import pytest

from serve_app.args import ServeArgs
from tests.serve_app.conftest import Service, ask, make_router, serving, simulated

pytestmark = [pytest.mark.slow, pytest.mark.extended]


@pytest.fixture(scope="module")
def service(http_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Experts: quick; sluggish, whose first token takes 3 s; crashing and breaking, which raise at once and later."""
    directory = tmp_path_factory.mktemp("router")
    predictor = make_router(directory, ["quick", "sluggish", "crashing", "breaking"])
    experts = [
        simulated("quick", tokens=4, per_token_s=0.1),
        simulated("sluggish", tokens=4, first_token_s=3),
        simulated("crashing", breaks_after=0),
        simulated("breaking", tokens=9, per_token_s=0.02, breaks_after=3),
    ]
    settings = {
        "first_token_timeout_s": 1, "request_timeout_s": 2.5, "body_timeout_s": 1, "retry_after_s": 4,
        "ingress": {"max_ongoing_requests": 6, "target_ongoing_requests": 6},
    }  # fmt: skip
    args = ServeArgs.model_validate({"router": str(directory), "experts": experts, "serving": settings})
    with serving("limits", http_port, args, predictor) as running:
        yield running


def test_a_stream_that_does_not_begin_in_time_goes_to_the_next_expert(service: Service, client: openai.OpenAI) -> None:
    started = time.monotonic()
    raw = client.chat.completions.with_raw_response.create(
        model="zooter", messages=ask(service.query_for("sluggish", "quick")), stream=True
    )
    assert (raw.headers["x-zooter-expert"], raw.headers["x-zooter-attempts"]) == ("quick", "2")
    assert 0.9 < time.monotonic() - started < 2


def test_a_request_that_takes_too_long_as_a_whole_gets_504(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="sluggish", messages=ask("Hi"))
    assert (caught.value.status_code, caught.value.code) == (504, "timeout")


@pytest.mark.parametrize("stream", [False, True])
def test_a_defect_before_the_first_byte_is_the_next_experts_turn(
    service: Service, client: openai.OpenAI, stream: bool
) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="zooter", messages=ask(service.query_for("crashing", "quick")), stream=stream
    )
    assert (raw.headers["x-zooter-expert"], raw.headers["x-zooter-attempts"]) == ("quick", "2")


def test_a_defect_after_the_first_byte_ends_the_stream_with_an_error_event(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="breaking", messages=ask("Hi"), stream=True)
    texts = []
    with pytest.raises(openai.APIError) as caught:
        texts += [chunk.choices[0].delta.content for chunk in stream]
    assert caught.value.code == "expert_failed"
    assert "simulated defect" not in str(caught.value)


def test_a_defect_is_not_told_to_clients(service: Service) -> None:
    reply = httpx.post(f"{service.url}/v1/chat/completions", json={"model": "crashing", "messages": ask("Hi")})
    assert reply.status_code == 503
    assert "simulated defect" not in reply.text


def test_a_body_that_does_not_arrive_gets_408(service: Service) -> None:
    def a_part() -> Iterator[bytes]:
        yield b'{"model": "quick", '
        time.sleep(2)

    started = time.monotonic()
    reply = httpx.post(f"{service.url}/v1/chat/completions", content=a_part(), timeout=10)
    assert (reply.status_code, reply.json()["error"]["code"]) == (408, "timeout")
    assert time.monotonic() - started < 5


def test_a_full_ingress_says_so_in_openais_form_and_when_to_come_back(service: Service) -> None:
    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=30) as client:
            body = {"model": "quick", "messages": ask("Hi")}
            return await asyncio.gather(
                *(client.post(f"{service.url}/v1/chat/completions", json=body) for _ in range(30))
            )

    replies = asyncio.run(run())
    assert Counter(reply.status_code for reply in replies).keys() == {200, 503}
    for reply in replies:
        if reply.status_code == 503:
            assert reply.json()["error"]["code"] == "overloaded"
            assert reply.headers["retry-after"] == "4"
    again = httpx.post(f"{service.url}/v1/chat/completions", json={"model": "quick", "messages": ask("Hi")})
    assert again.status_code == 200, "what has ended makes room"
