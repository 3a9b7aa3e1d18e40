"""A run on two nodes, of which one is lost in the middle of generation: python -m tests.stages.node_loss CONFIG."""

import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from zooter_ray import pipeline
from zooter_ray.config import load_config
from zooter_ray.progress import new_console


def main() -> None:
    config = load_config(sys.argv[1])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "object_store_memory": 200 << 20})
    node = cluster.add_node(num_cpus=4, object_store_memory=200 << 20)
    ray.init(address=cluster.address)

    def lose_node() -> None:
        """Once some responses are committed: no warning, no goodbye."""
        while len(list(Path(config.run_dir, "02_responses").rglob("part-*.parquet"))) < 4:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        print("a node was lost", flush=True)

    killer = threading.Thread(target=lose_node)
    killer.start()
    pipeline.run(config, new_console(), until="generation")
    killer.join()
    print("nodes left:", sum(found["Alive"] for found in ray.nodes()), flush=True)
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
