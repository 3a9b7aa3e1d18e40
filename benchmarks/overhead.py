"""Where the time goes: CPU milliseconds that each process of the service spends on a streamed token.

python benchmarks/overhead.py --router DIR [--clients 32] [--slow-path]

Simulated experts send a token every 100 ms, so that nothing but the way from expert to client takes any time.
"""

import argparse
import asyncio
import os
import time
from pathlib import Path

import httpx
import psutil
from rich.console import Console

from serve_app.environment import FAST_PATH
from zooter_ray.cli.serve import service
from zooter_ray.config import RunConfig, load_config

ROOT = Path(__file__).parents[1]
TOKENS, SECONDS_PER_TOKEN = 64, 0.1
PARTS = {
    "ingress": "ingress",
    "router": "router",
    "expert": "expert-",
    "proxy": "ProxyActor",
    "controller": "Controller",
}


def simulated_config() -> RunConfig:
    """The demo's settings with simulated experts of the same names."""
    demo = load_config(ROOT / "jobs/configs/demo.yaml").model_dump(mode="json")
    engine = {"kind": "dummy", "tokens": TOKENS, "per_token_s": SECONDS_PER_TOKEN}
    names = [expert["id"] for expert in demo["generation"]["experts"]]
    demo["generation"]["experts"] = [
        {"id": name, "engine": engine, "decoding": {"max_tokens": TOKENS}} for name in names
    ]
    demo["serving"]["expert"].update(max_ongoing_requests=128, target_ongoing_requests=96)
    return RunConfig.model_validate(demo)


async def one_stream(client: httpx.AsyncClient, url: str, number: int) -> int:
    """Events of one streamed reply."""
    body = {"model": "zooter", "stream": True, "messages": [{"role": "user", "content": f"query {number}"}]}
    events = 0
    async with client.stream("POST", f"{url}/chat/completions", json=body) as reply:
        async for chunk in reply.aiter_raw():
            events += chunk.count(b"data: ")
    return events


async def load(url: str, clients: int, rounds: int) -> int:
    """Events that so many clients get, each asking so many times."""

    async def client_loop(client: httpx.AsyncClient, first: int) -> int:
        return sum([await one_stream(client, url, first + number) for number in range(rounds)])

    async with httpx.AsyncClient(timeout=100, limits=httpx.Limits(max_connections=None)) as client:
        return sum(await asyncio.gather(*(client_loop(client, 1000 * number) for number in range(clients))))


def cpu_seconds() -> dict[str, float]:
    """CPU time of each part of the service so far."""
    found = dict.fromkeys(PARTS, 0.0)
    for process in psutil.Process().children(recursive=True):
        name = " ".join(process.cmdline())
        for part, pattern in PARTS.items():
            if name.startswith("ray::") and pattern in name:
                times = process.cpu_times()
                found[part] += times.user + times.system
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--router", required=True)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--slow-path", action="store_true", help="Ray Serve as it comes, without serve_app.environment")
    arguments = parser.parse_args()
    os.environ.update({"RAY_worker_niceness": "0", **({} if arguments.slow_path else FAST_PATH), **os.environ})
    with service(simulated_config(), arguments.router, Console(stderr=True)) as url:
        asyncio.run(load(url, 4, 1))
        before, started = cpu_seconds(), time.perf_counter()
        events = asyncio.run(load(url, arguments.clients, 3))
        seconds = time.perf_counter() - started
        spent = {part: 1000 * (after - before[part]) / events for part, after in cpu_seconds().items()}
    print(f"{arguments.clients} clients, {events / seconds:.0f} tokens/s; CPU ms per token:", end=" ")
    print(", ".join(f"{part} {ms:.2f}" for part, ms in spent.items()), f"; together {sum(spent.values()):.2f}")


if __name__ == "__main__":
    main()
