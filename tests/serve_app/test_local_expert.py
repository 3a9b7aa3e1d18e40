"""Real engines behind the service: what batch generation and serving send to an expert is the same, token for token."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from transformers import AutoTokenizer

from serve_app.args import ServeArgs
from tests.serve_app.conftest import Service, ask, make_router, serving
from zooter_ray.chat import fit_prompt
from zooter_ray.config import load_config
from zooter_ray.config.generation import ExpertConfig
from zooter_ray.experts import engine_of
from zooter_ray.package_models import resolve_source

pytestmark = [pytest.mark.slow, pytest.mark.vllm, pytest.mark.extended]
DEMO = load_config(Path(__file__).parents[2] / "jobs/configs/demo.yaml").generation
BRIEF = {"id": "smollm2-brief", "same_weights_as": "smollm2", "system_prompt": "Answer in one word.",
         "decoding": {"temperature": 0, "max_tokens": 6}}  # fmt: skip
QUERY = "What is 6 plus 7?"


def experts() -> list[dict[str, Any]]:
    """The demo's pool, which has a raw and a few-shot template that write <bos>, and a variant with a system prompt."""
    pool = DEMO.model_dump(mode="json")["experts"]
    for expert in pool:
        expert["decoding"]["max_tokens"] = 12
    return [*pool, BRIEF]


@pytest.fixture(scope="module")
def service(http_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("router")
    pool = experts()
    predictor = make_router(directory, [expert["id"] for expert in pool])
    args = ServeArgs.model_validate({"router": str(directory), "experts": pool})
    with serving("local", http_port, args, predictor) as running:
        yield running


@pytest.mark.parametrize("number", range(4), ids=[expert["id"] for expert in experts()])
def test_an_experts_prompt_is_the_same_in_batch_and_in_serving(client: openai.OpenAI, number: int) -> None:
    expert = ExpertConfig.model_validate(experts()[number])
    engine: Any = engine_of(DEMO, expert if expert.id != "smollm2-brief" else DEMO.experts[0])
    tokenizer = AutoTokenizer.from_pretrained(resolve_source(engine.source))
    batch = fit_prompt(expert, tokenizer, QUERY, engine.max_model_len)
    reply: Any = client.chat.completions.create(
        model=expert.id, messages=ask(QUERY), extra_body={"return_token_ids": True}
    )
    assert reply.prompt_token_ids == batch.token_ids
    if expert.id.startswith("gemma3"):
        assert batch.token_ids.count(tokenizer.bos_token_id) == 1
    assert reply.usage.completion_tokens <= expert.decoding.max_tokens


@pytest.mark.parametrize("expert", ["smollm2", "smollm2-brief", "gemma3-fewshot"])
def test_a_stream_says_what_the_whole_reply_says_under_the_experts_name(client: openai.OpenAI, expert: str) -> None:
    whole = client.chat.completions.create(model=expert, messages=ask(QUERY))
    chunks = list(client.chat.completions.create(model=expert, messages=ask(QUERY), stream=True))
    assert {chunk.model for chunk in chunks} == {whole.model} == {expert}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason


def test_a_client_may_set_its_own_decoding(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="smollm2", messages=ask(QUERY), max_completion_tokens=3)
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 3


def test_a_plain_completion_goes_on_with_the_prompt(client: openai.OpenAI) -> None:
    reply: Any = client.completions.create(
        model="gemma3-base", prompt="1, 2, 3, 4, 5, 6,", max_tokens=4, extra_body={"return_token_ids": True}
    )
    assert reply.model == "gemma3-base"
    assert "7" in reply.choices[0].text
    assert reply.choices[0].prompt_token_ids.count(2) == 1, "without its <bos> Gemma only babbles"


def test_a_conversation_goes_on_with_what_was_answered(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(model="smollm2", messages=ask(QUERY))
    messages = [*ask(QUERY), first.choices[0].message, *ask("And 7 plus 8?")]
    reply = client.chat.completions.create(model="smollm2", messages=messages)
    assert reply.choices[0].message.content


def test_routed_queries_are_answered_by_the_routers_choice(service: Service, client: openai.OpenAI) -> None:
    for expert in ("smollm2", "gemma3-fewshot"):
        raw = client.chat.completions.with_raw_response.create(model="zooter", messages=ask(service.query_for(expert)))
        assert raw.parse().model == raw.headers["x-zooter-expert"] == expert


def test_what_fits_into_no_window_gets_400(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        client.chat.completions.create(model="zooter", messages=ask("word " * 3000))


def test_a_wrong_field_of_the_engines_own_gets_400(service: Service) -> None:
    body = {"model": "smollm2", "messages": ask(QUERY), "response_format": {"type": "nonsense"}}
    reply = httpx.post(f"{service.url}/v1/chat/completions", json=body)
    assert reply.status_code == 400
    assert "response_format" in reply.json()["error"]["message"]
