"""The engines behind the one seam of the generation stage.

An engine turns a dataset of queries (query_id, expert, sample, query, source, reference) for the experts that share
it into a dataset with the columns of schemas.RESPONSES and `error`, which is empty where there is a response.
A query may come with a `history`, the messages that go before it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ray.data import Dataset

from zooter_ray.config.generation import ExpertConfig
from zooter_ray.stages.engines import dummy, http, vllm
from zooter_ray.stages.engines.ledger import Ledger

ENGINES: dict[str, Callable[[Dataset, Any, Sequence[ExpertConfig], Ledger], Dataset]] = {
    "vllm": vllm.generate,
    "http": http.generate,
    "dummy": dummy.generate,
}
