"""Embeddings of a frozen encoder, computed once for all rows by Ray Data, and kept for other heads over them."""

import hashlib
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch
from rich.console import Console

from zooter_ray.artifacts import Unit, file_system, is_complete, make_unit, write_manifest, write_table
from zooter_ray.config.training import TrainingConfig
from zooter_ray.package_models import absolute_source
from zooter_ray.progress import track
from zooter_ray.router.data import TOKENS
from zooter_ray.router.model import new_router, pooled
from zooter_ray.stages.blocks import in_actors

ROWS_TOGETHER = 256
READ_BY = ("backbone", "layers")  # what features depend on beside the token ids
FEATURES_FILE = "features.parquet"
FEATURES = pa.schema([TOKENS.field("features")])


class Pool:
    """The pooled states of an encoder for rows of token ids; loads it once."""

    def __init__(self, config: TrainingConfig, experts: list[str], pad_token_id: int) -> None:
        self.router = new_router(config, experts).to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.pad_token_id = pad_token_id

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Features by the number of the row."""
        features_QD = pooled(self.router, rows["token_ids"].to_pylist(), self.pad_token_id)
        return pa.table([rows["row"], pa.array(features_QD.tolist(), FEATURES.field(0).type)], ["row", "features"])


def unit(tokens: pa.Table, config: TrainingConfig, stage: str, directory: str) -> Unit:
    """The unit of these rows' features, whatever is learned from them; of an encoder whose files changed, another."""
    ids = tokens["token_ids"].combine_chunks()
    read = hashlib.sha256(ids.offsets.to_numpy().tobytes() + ids.flatten().to_numpy().tobytes()).hexdigest()
    settings = {**{name: getattr(config, name) for name in READ_BY}, "read": read, "files": _files(config.backbone)}
    return make_unit(directory, stage, "features", settings)


def _files(backbone: str) -> list[list[Any]]:
    """Names, sizes and times of the files of an encoder in a directory; a package or a hub's name stands for itself."""
    path = Path(absolute_source(backbone))
    found = [(file.name, file.stat()) for file in sorted(path.glob("*")) if file.exists()] if path.is_absolute() else []
    return [[name, about.st_size, about.st_mtime_ns] for name, about in found]


def with_features(
    tokens: pa.Table, config: TrainingConfig, experts: list[str], pad_token_id: int, held: Unit, console: Console
) -> pa.Table:
    """Rows of TOKENS with the features that the head is trained on, which are made if the unit is not complete."""
    file = posixpath.join(held.path, FEATURES_FILE)
    if not is_complete(held):
        write_table(file, embedded(tokens, config, experts, pad_token_id, console))
        write_manifest(held, tokens.num_rows, tokens.num_rows, {})
    fs, path = file_system(file)
    column = pq.read_table(path, filesystem=fs, schema=FEATURES)["features"]
    return tokens.set_column(TOKENS.get_field_index("features"), TOKENS.field("features"), column)


def embedded(
    tokens: pa.Table, config: TrainingConfig, experts: list[str], pad_token_id: int, console: Console
) -> pa.Table:
    """Rows of FEATURES, in the order of the tokens."""
    local = config.model_copy(update={"backbone": absolute_source(config.backbone)})
    numbered = tokens.select(["token_ids"]).append_column("row", pa.array(np.arange(tokens.num_rows)))
    # Cut here: a task of Ray's that cuts would wait without end for a CPU where the actors take all there are.
    cut = [numbered.slice(start, ROWS_TOGETHER) for start in range(0, tokens.num_rows, ROWS_TOGETHER)]
    made = ray.data.from_arrow(cut).map_batches(
        Pool, fn_constructor_args=(local, experts, pad_token_id), **in_actors(config.resources, ROWS_TOGETHER)
    )
    blocks: list[pa.Table] = []

    def arriving() -> Iterator[int]:
        for block in made.iter_batches(batch_format="pyarrow", batch_size=None):
            blocks.append(block)
            yield block.num_rows

    track(arriving(), tokens.num_rows, "embedding queries", console)
    return pa.concat_tables(blocks).sort_by("row").select(FEATURES.names).cast(FEATURES)
