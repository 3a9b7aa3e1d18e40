"""An epoch of distillation under Ray Train against a plain PyTorch loop over the same batches; two workers against one.

python benchmarks/training.py --outcomes $ZOOTER_PUBLIC_DATA/routerdc/train.jsonl.gz --rows 1000 --rounds 3

Every worker has one thread. Rates are of the training rows of an epoch, from the end of its first step to that of its
last: no start, no validation, no checkpoint. Both ways take turns.
"""

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray
import ray.train
import ray.train.torch
import torch
import torch.nn.functional as F  # noqa: N812
from ray.util.queue import Queue
from transformers import get_linear_schedule_with_warmup

from zooter_ray.artifacts import write_table
from zooter_ray.cluster import connected
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.run import RayConfig
from zooter_ray.config.training import TrainingConfig
from zooter_ray.labels import label_table
from zooter_ray.outcomes import read_outcomes
from zooter_ray.package_models import absolute_source
from zooter_ray.router.data import TokenRows, steps, tokenise
from zooter_ray.router.model import new_router, new_tokenizer
from zooter_ray.stages.training.worker import train_worker

Marks = list[tuple[float, int]]  # when a step ended, and its rows


def rate(marks: Marks) -> float:
    """Rows per second after the first step."""
    return sum(rows for _, rows in marks[1:]) / (marks[-1][0] - marks[0][0])


def plain(config: TrainingConfig, tokens: pa.Table, experts: list[str], pad_token_id: int) -> float:
    """The loop that one would write by hand."""
    torch.set_num_threads(1)
    rows = TokenRows(tokens, "train", pad_token_id)
    model = new_router(config, experts).train()
    batches = list(steps(rows.lengths, config.batch_size, config.bucket_steps, config.seed, 0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = get_linear_schedule_with_warmup(optimizer, len(batches) // 10, len(batches))
    marks: Marks = []
    for index in batches:
        ids = [torch.tensor(rows.token_ids[row]) for row in index]
        input_ids = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=pad_token_id)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
        logits = model(input_ids=input_ids, attention_mask=mask).logits
        label = torch.from_numpy(rows.label_QM[index])
        F.kl_div(logits.log_softmax(dim=1), label, reduction="batchmean").backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        marks.append((time.perf_counter(), len(index)))
    return rate(marks)


def under_ray(config: TrainingConfig, tokens: str, experts: list[str], pad_token_id: int, workers: int) -> float:
    """The training stage's own workers."""
    queue = Queue(actor_options={"num_cpus": 0})
    marks: Marks = []

    def watch() -> None:
        while (item := queue.get()) is not None:
            if isinstance(item, int):
                marks.append((time.perf_counter(), item))

    watching = threading.Thread(target=watch)
    watching.start()
    with tempfile.TemporaryDirectory() as storage:
        loop = {"config": config, "tokens": tokens, "pad_token_id": pad_token_id, "experts": experts, "queue": queue}
        ray.train.torch.TorchTrainer(
            train_worker,
            train_loop_config=loop,
            scaling_config=ray.train.ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1}),
            run_config=ray.train.RunConfig(name="speed", storage_path=storage),
        ).fit()
    queue.put(None)
    watching.join()
    return rate(marks)


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", required=True)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    backbone = absolute_source("package:all-minilm-l6-v2")
    config = TrainingConfig(backbone=backbone, pooling="mean", epochs=1)
    outcomes = read_outcomes(arguments.outcomes)
    chosen = np.zeros(len(outcomes.query_ids), dtype=bool)
    chosen[np.random.default_rng(0).permutation(len(chosen))[: arguments.rows]] = True
    tokenizer = new_tokenizer(config.backbone)
    tokens = tokenise(label_table(outcomes.rows(chosen), LabelingConfig()), tokenizer, config)
    ratios: dict[str, list[float]] = {"one worker / plain": [], "two workers / one": []}
    with tempfile.TemporaryDirectory() as scratch, connected(RayConfig(num_cpus=4)):
        path = str(Path(scratch) / "tokens.parquet")
        write_table(path, tokens)
        known = (outcomes.experts, tokenizer.pad_token_id)
        for _ in range(arguments.rounds):
            by_hand = plain(config, tokens, *known)
            one, two = (under_ray(config, path, *known, workers) for workers in (1, 2))
            print(f"rows/s: plain {by_hand:.1f}, one worker {one:.1f}, two workers {two:.1f}", flush=True)
            ratios["one worker / plain"].append(one / by_hand)
            ratios["two workers / one"].append(two / one)
    for name, found in ratios.items():
        print(f"{name}: median {statistics.median(found):.3f} of {', '.join(f'{ratio:.3f}' for ratio in found)}")


if __name__ == "__main__":
    main()
