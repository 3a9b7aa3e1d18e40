"""Embeddings of a frozen encoder, computed once for all rows by Ray Data."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import ray
import torch
from rich.console import Console

from zooter_ray.config.training import TrainingConfig
from zooter_ray.package_models import absolute_source
from zooter_ray.progress import track
from zooter_ray.router.data import TOKENS
from zooter_ray.router.model import new_router, pooled
from zooter_ray.stages.blocks import in_actors

ROWS_TOGETHER = 256


class Pool:
    """Adds the pooled states of an encoder to rows of TOKENS; loads it once."""

    def __init__(self, config: TrainingConfig, experts: list[str], pad_token_id: int) -> None:
        self.router = new_router(config, experts).to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.pad_token_id = pad_token_id

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The rows with their features."""
        features_QD = pooled(self.router, rows["token_ids"].to_pylist(), self.pad_token_id)
        column = rows.schema.get_field_index("features")
        return rows.set_column(column, TOKENS.field("features"), pa.array(features_QD.tolist(), pa.list_(pa.float32())))


def with_features(
    tokens: pa.Table, config: TrainingConfig, experts: list[str], pad_token_id: int, console: Console
) -> pa.Table:
    """Rows of TOKENS with the features that the head is trained on, in the same order."""
    local = config.model_copy(update={"backbone": absolute_source(config.backbone)})
    numbered = tokens.append_column("row", pa.array(np.arange(tokens.num_rows)))
    made = ray.data.from_arrow(numbered).repartition(-(-tokens.num_rows // ROWS_TOGETHER)).map_batches(
        Pool, fn_constructor_args=(local, experts, pad_token_id), **in_actors(config.resources, ROWS_TOGETHER)
    )  # fmt: skip
    blocks: list[pa.Table] = []

    def arriving() -> Iterator[int]:
        for block in made.iter_batches(batch_format="pyarrow", batch_size=None):
            blocks.append(block)
            yield block.num_rows

    track(arriving(), tokens.num_rows, "embedding queries", console)
    return pa.concat_tables(blocks).sort_by("row").drop_columns(["row"]).cast(TOKENS)
