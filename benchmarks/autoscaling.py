"""An engine's pool growing and shrinking within its range, on Ray's fake autoscaler with several nodes.

python benchmarks/autoscaling.py [--workers 1 4] [--blocks 48] [--log FILE]

A replica takes a node with an accelerator (in name only), and the head has none: the autoscaler adds nodes as the
generation stage asks for replicas, and removes those that are idle. Prints nodes, replicas and committed blocks
whenever they change, and fails unless the pool reached its largest size, never left its range while there were blocks
for every replica, and all nodes were removed.
"""

import argparse
import io
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import ray
from simulated import BLOCK_ROWS, ENGINE, settings, write_queries

from zooter_ray.cluster import connected
from zooter_ray.config.run import RayConfig
from zooter_ray.progress import new_console
from zooter_ray.stages import generation

HEAD_CPUS = 16
ACCELERATOR = "A100"  # in name only
IDLE_MINUTES = 0.1
EVERY_S, PATIENCE_S = 0.5, 120
# A node that was asked for is kept for so many seconds, also when it is idle; 180 in Ray.
FORGET_REQUESTS_S = 15


def autoscaler(most_nodes: int, address: str) -> dict[str, Any]:
    """The fake provider's settings, written out: Ray's package comes without its example of them."""
    lists = ["initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray"]
    return {
        "cluster_name": "fake_multinode",
        "max_workers": most_nodes,
        "provider": {
            "type": "fake_multinode", "gcs_address": address, "use_node_id_as_ip": True,
            "disable_node_updaters": True, "disable_launch_config_check": True,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": HEAD_CPUS}, "node_config": {}, "max_workers": 0},
            "replica": {
                "resources": {"CPU": 1, f"accelerator_type:{ACCELERATOR}": 1, "object_store_memory": 100 << 20},
                "node_config": {}, "min_workers": 0, "max_workers": most_nodes,
            },
        },
        "head_node_type": "ray.head.default",
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": IDLE_MINUTES,
        "auth": {}, "docker": {}, "file_mounts": {}, "cluster_synced_files": [],
        "file_mounts_sync_continuously": False, "rsync_exclude": [], "rsync_filter": [],
        **{f"{name}_commands": [] for name in lists},
    }  # fmt: skip


def environment() -> dict[str, str]:
    """What Ray reads when it is imported, in this process as in the head."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_SCHEDULER_EVENTS": "0",
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_DATA_AUTOSCALING_REQUEST_EXPIRE_TIME_S": str(FORGET_REQUESTS_S),
    }


@contextmanager
def cluster(most_nodes: int, log: str) -> Iterator[psutil.Process]:
    """A head with the autoscaler, in a directory of its own; yields its process once Ray is reached.

    Not by ray.cluster_utils.AutoscalingCluster, which first stops every Ray on the machine.
    """
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    address = f"{ray.util.get_node_ip_address()}:{port}"
    with tempfile.TemporaryDirectory(prefix="ray") as directory, Path(log).open("w") as output:
        config = Path(directory) / "autoscaler.json"
        config.write_text(json.dumps(autoscaler(most_nodes, address)))
        head = psutil.Popen(
            [
                Path(sys.executable).with_name("ray"), "start", "--head", "--block", f"--port={port}",
                f"--num-cpus={HEAD_CPUS}", "--object-store-memory=200000000", "--include-dashboard=false",
                f"--temp-dir={directory}", f"--autoscaling-config={config}",
            ],
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        wait_for(lambda: head.poll() is not None or Path(directory, "ray_current_cluster").exists())
        try:
            ray.init(address=address)
            yield head
        finally:
            ray.shutdown()  # before the head goes, which would take this process with it
            started = head.children(recursive=True)
            head.terminate()
            head.wait()
            for process in psutil.wait_procs(started, timeout=10)[1]:
                process.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(EVERY_S)


@dataclass(frozen=True)
class Seen:
    """What there was at a moment; blocks are those that were committed."""

    nodes: int  # besides the head
    replicas: int
    blocks: int


def see(head: psutil.Process, committed: Path) -> Seen:
    """Count the nodes that Ray knows, the processes of replicas, and the parts of responses."""
    replicas = 0
    for process in head.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            replicas += "RespondToBlock" in " ".join(process.cmdline()[:1])
    nodes = sum(node["Alive"] for node in ray.nodes()) - 1
    return Seen(nodes, replicas, len(list(committed.rglob("part-*.parquet"))))


@contextmanager
def watching(head: psutil.Process, committed: Path) -> Iterator[list[Seen]]:
    """Look every EVERY_S seconds and print whatever changed."""
    seen: list[Seen] = []
    stop, started = threading.Event(), time.perf_counter()

    def loop() -> None:
        while not stop.wait(EVERY_S):
            now = see(head, committed)
            if not seen or (now.nodes, now.replicas) != (seen[-1].nodes, seen[-1].replicas):
                seconds = time.perf_counter() - started
                print(f"{seconds:5.0f} s: nodes {now.nodes}, replicas {now.replicas}, blocks {now.blocks}", flush=True)
            seen.append(now)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs=2, default=[1, 4])
    parser.add_argument("--blocks", type=int, default=48)
    parser.add_argument("--log", default=os.devnull, help="what Ray prints")
    arguments = parser.parse_args()
    low, high = arguments.workers
    if "RAY_AUTH_TOKEN" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **environment()})
    with cluster(high + 1, arguments.log) as head, tempfile.TemporaryDirectory() as run_dir:
        queries = write_queries(run_dir, arguments.blocks * BLOCK_ROWS // 2)
        config = settings(ENGINE, (low, high), num_cpus=1, accelerator_type=ACCELERATOR)
        with connected(RayConfig()), watching(head, Path(run_dir, generation.STAGE)) as seen:
            generation.run(config, queries, run_dir, new_console(io.StringIO()))
            run_ends = len(seen)
            wait_for(lambda: not seen[-1].nodes)
    sizes = [found.replicas for found in seen[:run_ends] if 0 < found.blocks < arguments.blocks - high]
    print(f"replicas while there were blocks for all: {min(sizes)} to {max(sizes)}")
    print(f"nodes besides the head: {max(found.nodes for found in seen)} at most, {seen[-1].nodes} at the end")
    assert all(low <= size <= high for size in sizes), f"the pool left its range {low}..{high}"
    assert max(sizes) == high, f"the pool never had {high} replicas"
    assert seen[-1].nodes == 0, f"idle nodes were still there after {PATIENCE_S} s"


if __name__ == "__main__":
    main()
