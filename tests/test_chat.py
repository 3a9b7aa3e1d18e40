"""How an expert is spoken to: templates, windows, decoding, and endpoints of others."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import jinja2
import pytest

from tests.tiny_models import decoder_tokenizer
from zooter_ray.chat import (
    OpenAIChat,
    Response,
    fit_prompt,
    fold_system,
    messages_of,
    render,
    sampling_params,
    with_decoding,
)
from zooter_ray.config.generation import Decoding, DummyEngine, ExpertConfig, HttpEngine

TEMPLATE = (
    "<s>{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TEMPLATE
NOTHING_WORKS = "{{ raise_exception('never') }}"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return decoder_tokenizer(chat_template=TEMPLATE)


def expert(**settings: Any) -> ExpertConfig:
    return ExpertConfig(id="llama", engine=DummyEngine(), **settings)


# Messages and templates


def test_a_query_is_one_user_turn() -> None:
    assert messages_of(expert(), "Hi.") == [{"role": "user", "content": "Hi."}]


def test_the_system_prompt_comes_first() -> None:
    assert messages_of(expert(system_prompt="Be brief."), "Hi.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
    ]


def test_a_history_goes_before_the_query_and_behind_the_system_prompt() -> None:
    history = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    assert messages_of(expert(system_prompt="Be brief."), "Bye.", history) == [
        {"role": "system", "content": "Be brief."},
        *history,
        {"role": "user", "content": "Bye."},
    ]


def test_system_texts_go_to_the_user_turn_that_follows_them_in_their_order() -> None:
    system, user = ({"role": role, "content": role[0]} for role in ("system", "user"))
    assistant = {"role": "assistant", "content": "a"}
    assert fold_system([system, {**system, "content": "t"}, user, assistant, system, user]) == [
        {"role": "user", "content": "s\n\nt\n\nu"}, assistant, {"role": "user", "content": "s\n\nu"},
    ]  # fmt: skip
    assert fold_system([user, system]) == [user, {"role": "user", "content": "s"}]
    assert fold_system([user, assistant]) == [user, assistant]


def test_rendering_ends_where_the_answer_begins(tokenizer: Any) -> None:
    token_ids = render(expert(), tokenizer, messages_of(expert(), "Hi."))
    assert tokenizer.decode(token_ids) == "<s>[user] Hi. [assistant]"


def test_a_special_token_that_the_template_writes_stands_there_once(tokenizer: Any) -> None:
    assert tokenizer("Hi.")["input_ids"][0] == tokenizer.bos_token_id  # this tokenizer would add one by itself
    token_ids = render(expert(), tokenizer, messages_of(expert(), "Hi."))
    assert token_ids.count(tokenizer.bos_token_id) == 1


def test_a_template_of_the_config_goes_before_that_of_the_tokenizer(tokenizer: Any) -> None:
    own = expert(chat_template="Q: {{ messages[0]['content'] }} A:")
    assert tokenizer.decode(render(own, tokenizer, messages_of(own, "Hi."))) == "Q: Hi. A:"


def test_a_template_without_a_system_role_gets_the_system_prompt_in_the_first_user_turn(tokenizer: Any) -> None:
    own = expert(system_prompt="Be brief.", chat_template=NO_SYSTEM)
    assert tokenizer.decode(render(own, tokenizer, messages_of(own, "Hi."))) == "<s>[user] Be brief.\n\nHi. [assistant]"


def test_a_template_that_fails_for_another_reason_is_an_error(tokenizer: Any) -> None:
    with pytest.raises(jinja2.TemplateError):
        render(expert(chat_template=NOTHING_WORKS), tokenizer, messages_of(expert(), "Hi."))


# Windows


QUERY = "a red apple, a blue plum, a green pear, a red apple, a blue plum, a green pear"


@pytest.mark.parametrize("long_queries", ["reject", "truncate"])
def test_a_prompt_that_leaves_room_for_the_new_tokens_stays_whole(tokenizer: Any, long_queries: str) -> None:
    own = expert(decoding=Decoding(max_tokens=10), long_queries=long_queries)
    whole = render(own, tokenizer, messages_of(own, QUERY))
    assert fit_prompt(own, tokenizer, QUERY, window=len(whole) + 10).token_ids == whole


def test_a_prompt_that_is_one_token_too_long_is_rejected_with_the_numbers(tokenizer: Any) -> None:
    own = expert(decoding=Decoding(max_tokens=10), long_queries="reject")
    whole = render(own, tokenizer, messages_of(own, QUERY))
    prompt = fit_prompt(own, tokenizer, QUERY, window=len(whole) + 9)
    assert prompt.token_ids == []
    assert prompt.error == (
        f"the prompt has {len(whole)} tokens, but a window of {len(whole) + 9} with 10 new tokens "
        f"leaves room for {len(whole) - 1}"
    )


@pytest.mark.parametrize("missing", [1, 2, 5, 12])
def test_truncation_cuts_the_end_of_the_query_and_nothing_of_the_template(tokenizer: Any, missing: int) -> None:
    own = expert(decoding=Decoding(max_tokens=10), long_queries="truncate", system_prompt="Be brief.")
    whole = render(own, tokenizer, messages_of(own, QUERY))
    prompt = fit_prompt(own, tokenizer, QUERY, window=len(whole) + 10 - missing)
    assert prompt.error == ""
    assert len(prompt.token_ids) <= len(whole) - missing
    text = tokenizer.decode(prompt.token_ids)
    head, tail = "<s>[system] Be brief. [user] ", " [assistant]"
    assert text.startswith(head)
    assert text.endswith(tail)
    kept = text[len(head) : -len(tail)]
    assert kept
    assert QUERY.startswith(kept)


def test_a_template_that_fills_the_window_alone_is_rejected_even_if_queries_may_be_cut(tokenizer: Any) -> None:
    own = expert(decoding=Decoding(max_tokens=10), long_queries="truncate", system_prompt=QUERY)
    prompt = fit_prompt(own, tokenizer, "Hi.", window=16)
    assert prompt.token_ids == []
    assert "leaves room for 6" in prompt.error


def test_truncation_leaves_the_history_whole(tokenizer: Any) -> None:
    history = [{"role": "user", "content": "a red apple"}, {"role": "assistant", "content": "a blue plum"}]
    own = expert(decoding=Decoding(max_tokens=10), long_queries="truncate")
    whole = render(own, tokenizer, messages_of(own, QUERY, history))
    prompt = fit_prompt(own, tokenizer, QUERY, len(whole) + 5, history)
    assert len(prompt.token_ids) <= len(whole) - 5
    head = "<s>[user] a red apple [assistant] a blue plum [user] a red apple"
    assert tokenizer.decode(prompt.token_ids).startswith(head)
    assert "leaves room for" in fit_prompt(own, tokenizer, QUERY, 20, history).error


def test_new_tokens_beyond_the_window_leave_no_room() -> None:
    prompt = fit_prompt(expert(decoding=Decoding(max_tokens=100)), decoder_tokenizer(), "Hi.", window=50)
    assert prompt.error.endswith("leaves room for 0")


# Decoding


def test_sampling_parameters_are_those_of_the_decoding() -> None:
    decoding = Decoding(temperature=0, top_p=0.9, max_tokens=64, stop=["\n\n"])
    assert sampling_params(decoding, sample=0) == {
        "temperature": 0,
        "top_p": 0.9,
        "max_tokens": 64,
        "stop": ["\n\n"],
    }


def test_each_sample_has_a_seed_of_its_own_and_no_seed_stays_none() -> None:
    assert sampling_params(Decoding(seed=7), sample=0)["seed"] == 7
    assert sampling_params(Decoding(seed=7), sample=3)["seed"] == 10
    assert "seed" not in sampling_params(Decoding(), sample=3)


def test_the_defaults_are_those_of_the_paper() -> None:
    assert sampling_params(Decoding(), sample=0) == {"temperature": 0.7, "top_p": 1.0, "max_tokens": 2048}


# Endpoints


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that gives the replies it is told to, in order."""

    replies: ClassVar[list[tuple[int, dict[str, Any]]]] = []
    requests: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append({"path": self.path, "key": self.headers["Authorization"], **body})
        status, reply = self.replies.pop(0)
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def base_url() -> Iterator[str]:
    Endpoint.replies.clear()
    Endpoint.requests.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def completion(content: Any, finish_reason: str = "stop") -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "served",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
    }


def ask(base_url: str, *replies: tuple[int, dict[str, Any]], max_retries: int = 0) -> Response:
    Endpoint.replies.extend(replies)
    engine = HttpEngine(base_url=base_url, served_name="served", max_retries=max_retries, timeout_s=5)
    decoding = Decoding(max_tokens=8, seed=1)

    async def respond() -> Response:
        return await OpenAIChat(engine, "secret").respond(messages_of(expert(), "Hi."), decoding, sample=2)

    return asyncio.run(respond())


def test_an_endpoint_is_asked_with_messages_and_decoding_and_its_reply_becomes_a_response(base_url: str) -> None:
    response = ask(base_url, (200, completion("Hello.", "length")))
    assert Endpoint.requests == [
        {
            "path": "/v1/chat/completions",
            "key": "Bearer secret",
            "model": "served",
            "messages": [{"role": "user", "content": "Hi."}],
            "temperature": 0.7,
            "top_p": 1.0,
            "max_tokens": 8,
            "seed": 3,
        }
    ]
    assert response.seconds > 0
    assert response == Response("Hello.", "length", 5, 3, response.seconds)


def test_a_request_that_an_endpoint_refuses_becomes_a_response_with_an_error(base_url: str) -> None:
    response = ask(base_url, (400, {"error": {"message": "too long"}}), max_retries=3)
    assert response.error.startswith(f"{base_url}: BadRequestError: ")
    assert "too long" in response.error
    assert len(Endpoint.requests) == 1


def test_a_server_error_is_tried_again(base_url: str) -> None:
    response = ask(base_url, (503, {}), (200, completion("Hello.")), max_retries=1)
    assert response.text == "Hello."
    assert len(Endpoint.requests) == 2


def test_a_server_that_stays_broken_becomes_a_response_with_an_error(base_url: str) -> None:
    response = ask(base_url, (500, {}), max_retries=0)
    assert response.error.startswith(f"{base_url}: InternalServerError")


@pytest.mark.parametrize(
    "reply",
    [
        completion(None),
        {**completion("x"), "choices": []},
        completion([{"type": "text", "text": "x"}]),  # as some endpoints do
    ],
)
def test_a_reply_without_text_becomes_a_response_with_an_error(base_url: str, reply: dict[str, Any]) -> None:
    assert ask(base_url, (200, reply)).error == f"{base_url}: the reply holds no text"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ({**completion("Hi."), "usage": {}}, ("Hi.", None, None)),
        ({**completion("Hi."), "usage": {"prompt_tokens": None, "completion_tokens": 3}}, ("Hi.", None, 3)),
        ({**completion("Hi."), "usage": None}, ("Hi.", None, None)),
        (completion("Cut \ud83d"), ("Cut ?", 5, 3)),
    ],
)
def test_odd_replies_become_responses_that_can_be_written(
    base_url: str, reply: dict[str, Any], found: tuple[str, int, int]
) -> None:
    response = ask(base_url, (200, reply))
    assert (response.text, response.prompt_tokens, response.generated_tokens) == found
    assert response.error == ""


def test_what_the_decoding_leaves_out_is_not_told(base_url: str) -> None:
    decoding = Decoding(temperature=None, top_p=None, max_tokens=8)
    assert sampling_params(decoding, 0) == {"max_tokens": 8}
    assert with_decoding({"messages": []}, decoding) == {"messages": [], "max_tokens": 8}


def test_something_may_be_waited_for_before_every_retry(base_url: str) -> None:
    waits: list[int] = []

    async def wait() -> None:
        waits.append(len(Endpoint.requests))

    async def respond() -> Response:
        engine = HttpEngine(base_url=base_url, served_name="served", max_retries=2, timeout_s=5)
        return await OpenAIChat(engine, "secret", wait).respond(messages_of(expert(), "Hi."), Decoding(), 0)

    Endpoint.replies.extend([(503, {}), (503, {}), (200, completion("Hello."))])
    assert asyncio.run(respond()).text == "Hello."
    assert waits == [1, 2]


def test_an_endpoint_that_is_not_there_becomes_a_response_with_an_error() -> None:
    response = ask("http://127.0.0.1:9/v1")
    assert response.error.startswith("http://127.0.0.1:9/v1: APIConnectionError")
