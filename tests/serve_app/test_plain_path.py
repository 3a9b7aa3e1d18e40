"""The service on a Ray that knows nothing of serve_app/environment.py, as a cluster whose image does not set it.

Serve reads these variables once in a process, hence one of its own, and a Ray of its own.
"""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from serve_app.args import ServeArgs
from serve_app.environment import FAST_PATH
from tests.serve_app.conftest import make_router, serving, simulated, start_serve
from tests.serve_app.test_resilience import by_expert, chat, under_load
from zooter_ray.cluster import connected
from zooter_ray.config.run import RayConfig

pytestmark = [pytest.mark.slow, pytest.mark.extended]
NARROW = {"max_ongoing_requests": 2, "target_ongoing_requests": 2, "max_queued_requests": 2, "num_cpus": 0.1}


def routed_to_a_full_expert(directory: Path) -> tuple[Counter[int], Counter[str]]:
    """The statuses of many requests for an expert with room for few, and who answered them."""
    predictor = make_router(directory, ["narrow", "steady"])
    experts = [simulated("narrow", tokens=10, per_token_s=0.05), simulated("steady", tokens=4)]
    settings = {"expert": {"num_cpus": 0.1}, "experts": {"narrow": NARROW}}
    args = ServeArgs.model_validate({"router": str(directory), "experts": experts, "serving": settings})
    with connected(RayConfig(num_cpus=8)), serving("plain", start_serve(), args, predictor) as service:
        query = service.query_for("narrow", "steady")
        replies = under_load(service, chat("zooter", query), clients=16, seconds=2)
    statuses = Counter(reply.status_code for reply in replies)
    return statuses, by_expert([reply for reply in replies if reply.status_code == 200])


def test_a_full_expert_is_replaced_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FAST_PATH:
        monkeypatch.delenv(name)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        statuses, answered = process.submit(routed_to_a_full_expert, tmp_path).result()
    assert set(statuses) == {200}
    assert set(answered) == {"narrow", "steady"}
