"""Generation with simulated experts on more nodes and with more replicas: throughput as a share of the ideal.

python benchmarks/scaling.py nodes [--blocks 8] [--rounds 2]
python benchmarks/scaling.py replicas [--replicas 1 4 16 64] [--blocks 8]

`nodes`: the generation stage on one node and on two of the same size, with workers in proportion. `replicas`: more and
more replicas on this machine, to see where the pipeline itself becomes the limit. There are `--blocks` blocks for every
replica (a multiple of 4). Replicas are started before the first block is handed out, and the steady rate is that of the
middle half of the blocks, by the times of their commits: start-up and the last, uneven blocks are left out of it and
stand in the whole time. CPU time is what each part of Ray took of the whole run.
"""

import argparse
import io
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import ray
from ray.cluster_utils import Cluster
from simulated import BLOCK_ROWS, ENGINE, commit_times, seconds_per_block, settings, write_queries

from zooter_ray.cluster import connected
from zooter_ray.config.run import RayConfig
from zooter_ray.progress import new_console
from zooter_ray.stages import generation

PARTS = {"RespondToBlock": "replicas", "raylet": "raylet", "gcs_server": "gcs", "ray::": "tasks"}
SAMPLE_EVERY_S = 0.5
CPUS_PER_REPLICA = 2  # more than a node has left, so that a further replica must go to another node


@dataclass
class Meter:
    """CPU seconds by process, and on which node (its raylet's pid) every replica runs."""

    cpu: dict[int, tuple[str, float]] = field(default_factory=dict)
    nodes: dict[int, int] = field(default_factory=dict)

    def sample(self) -> None:
        driver = psutil.Process()
        for process in [driver, *driver.children(recursive=True)]:
            try:
                title = " ".join(process.cmdline()[:1])
                name = next((part for key, part in PARTS.items() if key in title), "other")
                times = process.cpu_times()
                self.cpu[process.pid] = "driver" if process == driver else name, times.user + times.system
                if name == "replicas":
                    self.nodes[process.pid] = process.ppid()
            except psutil.NoSuchProcess:
                continue


@contextmanager
def metered() -> Iterator[Meter]:
    """Sample in the background; a process that ends keeps what it was last seen with."""
    meter, stop = Meter(), threading.Event()

    def loop() -> None:
        while not stop.wait(SAMPLE_EVERY_S):
            meter.sample()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield meter
    finally:
        stop.set()
        thread.join()


@dataclass(frozen=True)
class Measured:
    replicas: int
    nodes: int  # on which there were replicas
    startup: float  # seconds until the first replica began
    whole: float  # seconds of the stage's run()
    rate: float  # rows per second, steady
    overall: float  # rows per second of the whole run
    cpu: Counter[str]  # seconds by part of Ray, of the whole run

    @property
    def share(self) -> float:
        """Of what the replicas would do if nothing but simulated tokens took any time."""
        return self.rate * seconds_per_block(ENGINE) / (self.replicas * BLOCK_ROWS)


def measure(replicas: int, blocks: int, num_cpus: float) -> Measured:
    """Run the generation stage on whatever Ray is there."""
    rows = replicas * blocks * BLOCK_ROWS
    ray.data.DataContext.get_current().wait_for_min_actors_s = 1200
    with tempfile.TemporaryDirectory() as run_dir, metered() as meter:
        queries = write_queries(run_dir, rows // 2)
        begun, started = time.time(), time.perf_counter()
        units = generation.run(
            settings(ENGINE, replicas, num_cpus=num_cpus), queries, run_dir, new_console(io.StringIO())
        )
        whole = time.perf_counter() - started
        times = commit_times(units)
    quarter = len(times) // 4
    rate = 2 * quarter * BLOCK_ROWS / (times[3 * quarter - 1] - times[quarter - 1])
    cpu: Counter[str] = Counter()
    for part, seconds in meter.cpu.values():
        cpu[part] += seconds
    nodes = len(set(meter.nodes.values()))
    startup = times[0] - seconds_per_block(ENGINE) - begun
    return Measured(replicas, nodes, startup, whole, rate, rows / whole, cpu)


def show(found: Measured) -> None:
    cpu = ", ".join(f"{part} {seconds:.0f}" for part, seconds in found.cpu.most_common())
    print(
        f"{found.replicas:>3} replicas on {found.nodes} node(s): {found.rate:6.1f} rows/s, {found.share:.3f} of ideal; "
        f"start {found.startup:.1f} s, whole run {found.whole:.1f} s, {found.overall:.1f} rows/s; CPU s: {cpu}",
        flush=True,
    )


def on_nodes(nodes: int, replicas_per_node: int, blocks: int) -> Measured:
    """So many nodes, each with room for its replicas and two more CPUs for everything else."""
    size = {"num_cpus": CPUS_PER_REPLICA * replicas_per_node + 2, "object_store_memory": 200 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(**size)
    ray.init(address=cluster.address)
    with connected(RayConfig()):
        found = measure(nodes * replicas_per_node, blocks, CPUS_PER_REPLICA)
    ray.shutdown()
    cluster.shutdown()
    if found.nodes != nodes:
        raise SystemExit(f"replicas ran on {found.nodes} of {nodes} nodes, so nothing was measured")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["nodes", "replicas"])
    parser.add_argument("--blocks", type=int, default=8, help="per replica")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--replicas-per-node", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.what == "replicas":
        for replicas in arguments.replicas:
            with connected(RayConfig(num_cpus=8)):
                show(measure(replicas, arguments.blocks, num_cpus=0.05))
        return
    for number in range(arguments.rounds):
        one, two = (on_nodes(nodes, arguments.replicas_per_node, arguments.blocks) for nodes in (1, 2))
        show(one)
        show(two)
        print(
            f"round {number}: two nodes / one = {two.rate / one.rate:.2f} steady, "
            f"{two.overall / one.overall:.2f} with start and end",
            flush=True,
        )


if __name__ == "__main__":
    main()
