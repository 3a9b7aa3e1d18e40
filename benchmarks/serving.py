"""What the service adds to an engine: first token and throughput against the same engine's own OpenAI server.

python benchmarks/serving.py --router runs/demo/05_router/router/... [--clients 1 8 32] [--rounds 2]

Both servers run side by side, idle but when asked; rounds alternate between them. Every request is a streamed chat of
64 tokens on SmolLM2. Three paths: vLLM's server, the service asked for the expert by name, the service routed.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from serve_app.environment import FAST_PATH
from zooter_ray.cli.serve import service
from zooter_ray.config import RunConfig, load_config
from zooter_ray.package_models import resolve_source

ROOT = Path(__file__).parents[1]
TOKENS = 64
VLLM_PORT, SERVICE_PORT = 8101, 8102


@dataclass
class Load:
    """What some clients saw."""

    first_token_ms: list[float]
    tokens: int
    seconds: float


async def one_request(client: httpx.AsyncClient, url: str, model: str, number: int) -> tuple[float, int]:
    """Ask once; milliseconds to the first token, and tokens."""
    body = {
        "model": model, "stream": True, "max_tokens": TOKENS, "temperature": 0,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": f"Tell me a long story about the number {number}."}],
    }  # fmt: skip
    started, first, tokens = time.perf_counter(), 0.0, 0
    async with client.stream("POST", f"{url}/chat/completions", json=body) as reply:
        reply.raise_for_status()
        async for line in reply.aiter_lines():
            if not line.startswith("data: {"):
                continue
            if not first and '"content":"' in line and '"content":""' not in line:
                first = 1000 * (time.perf_counter() - started)
            if '"usage":{' in line:
                tokens = json.loads(line[6:])["usage"]["completion_tokens"]
    if not first or not tokens:
        raise SystemExit(f"{model} at {url} did not answer request {number}")
    return first, tokens


async def load(url: str, model: str, clients: int, requests: int, offset: int) -> Load:
    """So many clients, each asking again as soon as it is answered."""
    numbers = iter(range(offset, offset + requests))
    found: list[tuple[float, int]] = []

    async def client_loop(client: httpx.AsyncClient) -> None:
        for number in numbers:
            found.append(await one_request(client, url, model, number))

    started = time.perf_counter()
    async with httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=None)) as client:
        await asyncio.gather(*(client_loop(client) for _ in range(clients)))
    return Load([first for first, _ in found], sum(tokens for _, tokens in found), time.perf_counter() - started)


def serving_config(interval_s: float) -> RunConfig:
    """The demo's SmolLM2 and a variant that shares its engine, since a router needs two experts."""
    demo = load_config(ROOT / "jobs/configs/demo.yaml").model_dump(mode="json")
    smollm2 = demo["generation"]["experts"][0]
    names = [expert["id"] for expert in demo["generation"]["experts"][1:]]
    variants = [{"id": name, "same_weights_as": "smollm2", "decoding": smollm2["decoding"]} for name in names]
    demo["generation"]["experts"] = [smollm2, *variants]
    demo["serving"].update(port=SERVICE_PORT, stream_interval_s=interval_s)
    demo["serving"]["expert"].update(max_ongoing_requests=64, target_ongoing_requests=48)
    return RunConfig.model_validate(demo)


@contextmanager
def vllm_server(config: RunConfig, log: Path) -> Iterator[str]:
    """The engine's own server, with the engine settings that the service gives it."""
    engine = config.generation.experts[0].engine
    flags = ["--dtype", engine.dtype, "--max-model-len", str(engine.max_model_len)]
    for name, value in engine.engine_kwargs.items():
        flags += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", resolve_source(engine.source),
        "--served-model-name", "smollm2", "--port", str(VLLM_PORT), *flags,
    ]  # fmt: skip
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env={**os.environ, **config.ray.env_vars}, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{VLLM_PORT}/health", process)
        yield f"http://127.0.0.1:{VLLM_PORT}/v1"
    finally:
        process.terminate()
        process.wait(60)


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Until the server answers."""
    while process.poll() is None:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise SystemExit("vLLM's server ended; see its log")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--router", required=True)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--requests-per-client", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--interval", type=float, default=0.02, help="serving.stream_interval_s")
    arguments = parser.parse_args()
    # Ray gives its workers a low priority; vLLM's own server and the clients have the usual one.
    os.environ.update({**FAST_PATH, "RAY_worker_niceness": "0", **os.environ})
    logging.getLogger("httpx").setLevel(logging.WARNING)
    config = serving_config(arguments.interval)
    with (
        vllm_server(config, Path("vllm-server.log")) as plain,
        service(config, arguments.router, Console(stderr=True)) as ours,
    ):
        paths = {"vLLM's server": (plain, "smollm2"), "direct": (ours, "smollm2"), "routed": (ours, "zooter")}
        for url, model in paths.values():
            asyncio.run(load(url, model, 8, 16, 90_000))  # the first requests after a start take seconds
        results: dict[tuple[str, int], list[Load]] = {}
        for round_number in range(arguments.rounds):
            for clients in arguments.clients:
                requests = max(12, clients * arguments.requests_per_client)
                for number, (name, (url, model)) in enumerate(paths.items()):
                    offset = 10_000 * number + 1000 * round_number  # other prompts for each: no cache is warm
                    found = asyncio.run(load(url, model, clients, requests, offset))
                    results.setdefault((name, clients), []).append(found)
    for clients in arguments.clients:
        plain_speed = 0.0
        for name in paths:
            loads = results[name, clients]
            speed = sum(found.tokens for found in loads) / sum(found.seconds for found in loads)
            first = sorted(ms for found in loads for ms in found.first_token_ms)
            plain_speed = plain_speed or speed
            print(
                f"{clients:3} clients  {name:14} {speed:6.0f} tokens/s ({speed / plain_speed:.2f})  first token "
                f"p50 {statistics.median(first):5.0f} ms, p95 {first[int(0.95 * (len(first) - 1))]:5.0f} ms"
            )


if __name__ == "__main__":
    main()
