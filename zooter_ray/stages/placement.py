"""Where the small actors of a stage live."""

from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


def beside_driver() -> dict[str, Any]:
    """Options of a small actor that all workers talk to: on the driver's node, whatever other node is lost."""
    node = ray.get_runtime_context().get_node_id()
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}
