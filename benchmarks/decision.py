"""How long the router takes to decide, by the length of the query: the predictor alone, and asked over HTTP.

python benchmarks/decision.py --router DIR [--url http://127.0.0.1:8000/v1]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import httpx

from zooter_ray.router.predictor import RouterPredictor


def timed(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    return statistics.median(times), times[int(0.95 * (repeats - 1))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--router", required=True)
    parser.add_argument("--url", help="a running service with this router")
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args()
    predictor = RouterPredictor(arguments.router)
    length = predictor.card.max_length
    predictor.card = replace(predictor.card, max_length=512)  # the whole text, whatever the service reads
    for tokens in (16, 128, 512):
        text = " ".join(["word"] * (tokens - 2))
        median, high = timed(partial(predictor, [text]), arguments.repeats)
        read = min(tokens, length)
        print(f"{tokens:4} tokens  predictor  p50 {median:6.1f} ms  p95 {high:6.1f} ms  (a service reads {read})")
        if arguments.url:
            with httpx.Client() as client:
                ask = partial(client.post, f"{arguments.url}/route", json={"query": text})
                median, high = timed(ask, arguments.repeats)
            print(f"{tokens:4} tokens  /v1/route  p50 {median:6.1f} ms  p95 {high:6.1f} ms")


if __name__ == "__main__":
    main()
