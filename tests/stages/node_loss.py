"""A command on two nodes, of which one is lost once so many files are there.

python -m tests.stages.node_loss FOLDER PATTERN COUNT run --config ...
"""

import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from zooter_ray.cli.main import main as zooter

NODE = {"num_cpus": 4, "object_store_memory": 200 << 20}
SOON_DEAD = {"health_check_period_ms": 500, "health_check_failure_threshold": 4}  # the head misses a node in seconds


def main() -> int:
    folder, pattern, count, *command = sys.argv[1:]
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": SOON_DEAD})
    node = cluster.add_node(**NODE)
    ray.init(address=cluster.address)

    lost = threading.Event()

    def lose_node() -> None:
        """No warning, no goodbye."""
        while len(list(Path(folder).rglob(pattern))) < int(count):
            time.sleep(0.05)
        lost.set()
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=lose_node, daemon=True)
    killer.start()
    code = zooter(command)
    print("lost in the middle:", lost.is_set(), flush=True)
    killer.join(timeout=60)
    print("nodes left:", sum(found["Alive"] for found in ray.nodes()), flush=True)
    ray.shutdown()
    cluster.shutdown()
    return code


if __name__ == "__main__":
    sys.exit(main())
