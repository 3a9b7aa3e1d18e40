"""A real small service: a tiny router and simulated experts under Ray Serve, and who its router prefers for what."""

import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
from ray import serve
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from serve_app.app import build_app
from serve_app.args import ServeArgs
from tests import tiny_models
from zooter_ray.router.predictor import RouterPredictor

WORDS = ["who", "what", "sum", "red", "seven", "write", "a", "planet", "7", "list", "name", "of", "?", "city", "in"]
CANDIDATES = [" ".join(random.Random(number).choices(WORDS, k=2 + number % 7)) for number in range(600)]


@dataclass
class Service:
    """Where a service answers, and what its router thinks."""

    name: str
    url: str
    predictor: RouterPredictor

    def query_for(self, *order: str) -> str:
        """A query for which the router's order begins with these experts."""
        for query, probabilities in zip(CANDIDATES, self.predictor(CANDIDATES), strict=True):
            ranked = [self.predictor.experts[index] for index in (-probabilities).argsort(kind="stable")]
            if tuple(ranked[: len(order)]) == order:
                return query
        raise AssertionError(f"the tiny router ranks {order} first for none of {len(CANDIDATES)} queries")


def simulated(expert_id: str, **engine: Any) -> dict[str, Any]:
    return {"id": expert_id, "engine": {"kind": "dummy", **engine}, "decoding": {"max_tokens": 64}}


def ask(query: str) -> Any:
    """The messages of a chat that begins with this query."""
    return [{"role": "user", "content": query}]


def client_of(service: Service) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0)


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    """The official client of whichever service the module has."""
    with client_of(service) as client:
        yield client


@pytest.fixture(scope="session")
def http_port(ray_session: None) -> int:
    return start_serve()


def start_serve() -> int:
    """Start Serve on the Ray that there is; the port on which it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    return port


@contextmanager
def serving(name: str, port: int, args: ServeArgs, predictor: RouterPredictor) -> Iterator[Service]:
    serve.run(build_app(args), name=name, route_prefix=f"/{name}")
    url = f"http://127.0.0.1:{port}/{name}"
    wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 200, 180)
    try:
        yield Service(name, url, predictor)
    finally:
        serve.delete(name)


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.2)


def make_router(directory: Path, experts: list[str]) -> RouterPredictor:
    """A tiny router that ranks the experts in every order, each for some candidates.

    A random encoder tells queries apart by little; its head is set so that the experts' logits are the principal
    components of what the encoder makes of the candidates, each of mean 0 and variance 1.
    """
    tiny_models.save_router(directory, experts, baselines={"overall": {e: -i for i, e in enumerate(experts)}})
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    with torch.no_grad():
        encoded = tokenizer(CANDIDATES, padding=True, return_tensors="pt")
        pooled_QH = model.bert(**encoded).pooler_output
        mean_H = pooled_QH.mean(dim=0)
        _, scale_H, directions_HH = torch.linalg.svd(pooled_QH - mean_H, full_matrices=False)
        count = len(experts)
        weight_MH = directions_HH[:count] * len(CANDIDATES) ** 0.5 / scale_H[:count, None]
        model.classifier.weight.copy_(weight_MH)
        model.classifier.bias.copy_(-weight_MH @ mean_H)
    model.save_pretrained(directory)
    return RouterPredictor(directory)


@pytest.fixture(scope="session")
def service(http_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Experts: quick, wordy and broken, which always fails."""
    directory = tmp_path_factory.mktemp("router")
    experts = [
        simulated("quick", tokens=4),
        simulated("wordy", tokens=24, per_token_s=0.01),
        simulated("broken", failure_rate=1.0),
    ]
    predictor = make_router(directory, ["quick", "wordy", "broken"])
    args = ServeArgs.model_validate(
        {"router": str(directory), "experts": experts, "serving": {"max_body_bytes": 20_000, "retry_after_s": 7}}
    )
    with serving("simulated", http_port, args, predictor) as running:
        yield running
