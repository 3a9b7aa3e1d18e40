"""How fast a router predicts on one core, by what computes it: PyTorch's ways and ONNX Runtime.

python benchmarks/prediction.py [--backbone package:all-minilm-l6-v2] [--paths plain onnx ...] [--lengths 16 128 512]
    [--batches 1 8 32 64]

An untrained router on the backbone (training changes no speed). The paths take turns in every round, on the same token
ids, and must find the same probabilities to 1e-5. Printed are the median of a path's times, in milliseconds of the core
(other work on the machine takes turns on it), and the median over rounds of how many times faster a path was than
`plain`: transformers as it comes, with fused attention where the architecture has it. `mixed` is 60 single queries of
4 to 128 tokens, no two of a length. `onnx 1024` computes so many tokens in a pass, `onnx 1048576` a whole batch. What
the tokenizer takes is measured apart. `newer exporter` needs a package that the project does without (onnxscript).
"""

import argparse
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

from zooter_ray.config.training import TrainingConfig
from zooter_ray.router.export import INPUTS, OPSET, LogitsOnly, export_onnx
from zooter_ray.router.model import new_router, new_tokenizer
from zooter_ray.router.onnx_session import OnnxSession
from zooter_ray.router.predictor import Logits
from zooter_ray.router.reading import read

LENGTHS = (16, 128, 512)
EXPERTS = ["a", "b", "c", "d", "e", "f"]
TOLERANCE = 1e-5
MIXED = 60
SECONDS = 1.5  # for the rounds of one shape and path; two rounds at least
Batch = tuple[np.ndarray, np.ndarray]


def by_torch(model: Any) -> Logits:
    @torch.inference_mode()
    def logits(input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        ids, mask = torch.from_numpy(input_ids), torch.from_numpy(attention_mask)
        found: np.ndarray = model(input_ids=ids, attention_mask=mask).logits.numpy()
        return found

    return logits


def by_attention(directory: Path, attention: str | None) -> Logits:
    model = AutoModelForSequenceClassification.from_pretrained(directory, attn_implementation=attention)
    return by_torch(model.eval())


def by_compile(directory: Path) -> Logits:
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    logits = by_torch(torch.compile(model.eval(), dynamic=True))
    for shape in ((2, 8), (1, 16), (3, 9)):  # one row and several are compiled apart
        logits(*batch(*shape))
    return logits


def by_frozen_trace(directory: Path) -> Logits:
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    sample = tuple(map(torch.from_numpy, batch(2, 16)))
    with torch.inference_mode():
        traced = torch.jit.freeze(torch.jit.trace(LogitsOnly(model).eval(), sample, check_trace=False))

    @torch.inference_mode()
    def logits(input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        found: np.ndarray = traced(torch.from_numpy(input_ids), torch.from_numpy(attention_mask)).numpy()
        return found

    for shape in ((2, 8), (1, 16), (3, 9), (1, 12)):  # the first calls are spent on profiling
        logits(*batch(*shape))
    return logits


def by_newer_exporter(directory: Path) -> Logits:
    model = LogitsOnly(
        AutoModelForSequenceClassification.from_pretrained(directory, attn_implementation="eager").eval()
    )
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    path = directory / "newer.onnx"
    torch.onnx.export(
        model, tuple(map(torch.from_numpy, batch(3, 16))), str(path), input_names=INPUTS, output_names=["logits"],
        dynamic_shapes=dict.fromkeys(INPUTS, free), opset_version=OPSET, dynamo=True, verbose=False,
    )  # fmt: skip
    return OnnxSession(path)


def by_onnx(directory: Path, tokens: int) -> Logits:
    """So many tokens in a pass."""
    return OnnxSession(directory / "router.onnx", tokens)


PATHS: dict[str, Callable[[Path], Logits]] = {
    "plain": functools.partial(by_attention, attention=None),
    "eager": functools.partial(by_attention, attention="eager"),
    "frozen trace": by_frozen_trace,
    "onnx": lambda directory: OnnxSession(directory / "router.onnx"),
    **{f"onnx {tokens}": functools.partial(by_onnx, tokens=tokens) for tokens in (1024, 4096, 1 << 20)},
    "newer exporter": by_newer_exporter,
    "compile": by_compile,
}


def batch(rows: int, length: int) -> Batch:
    """Token ids and a mask (B, L) of rows of like lengths, as the predictor makes them."""
    input_ids = np.random.default_rng(length).integers(1000, 20000, (rows, length))
    lengths = length - np.arange(rows) % (length // 8 + 1)
    return input_ids, (np.arange(length) < lengths[:, None]).astype(np.int64)


def probabilities(logits_BM: np.ndarray) -> np.ndarray:
    found: np.ndarray = torch.from_numpy(logits_BM).double().softmax(dim=1).numpy()
    return found


def turns(paths: dict[str, Logits], batches: list[Batch], new: bool = False) -> dict[str, list[float]]:
    """Seconds of every path for these batches, one after the other, in interleaved rounds.

    `new` is one round without a warm-up: every shape is met for the first time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in paths}
    expected = [probabilities(paths["plain"](*one)) for one in batches]
    if not new:
        for logits in paths.values():
            logits(*batches[0])
    rounds = 1 if new else 2
    while len(seconds["plain"]) < rounds:
        for name, logits in paths.items():
            started = time.process_time()
            found = [logits(*one) for one in batches]
            seconds[name].append(time.process_time() - started)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(probabilities(one), other, atol=TOLERANCE, rtol=0, err_msg=name)
        rounds = 1 if new else max(2, min(20, int(SECONDS / min(seconds["plain"]))))
    return seconds


def measured(
    paths: dict[str, Logits], lengths: list[int], batch_sizes: list[int]
) -> Iterator[tuple[str, dict[str, list[float]], int]]:
    """Column, seconds of each path, and calls that they are of."""
    mixed = np.random.default_rng(0).permutation(np.arange(4, 128))[:MIXED]
    yield "mixed x1", turns(paths, [batch(1, int(length)) for length in mixed], new=True), MIXED
    for rows in batch_sizes:
        for length in lengths:
            yield f"{length} x{rows}", turns(paths, [batch(rows, length)]), 1


def tokenisation(tokenizer: Any) -> Iterator[tuple[str, float, float]]:
    """Milliseconds of the tokenizer alone, and of reading in pieces, by text; 256 tokens are kept."""
    texts = {f"{length} tokens": " ".join(["apple"] * (length - 2)) for length in LENGTHS}
    for name, text in {**texts, "1 MB": "How many apples are left of seven? " * 29_960}.items():
        sides = (
            lambda text=text: tokenizer([text], truncation=True, max_length=256),
            lambda text=text: read(tokenizer, [text], 256),
        )
        times: list[list[float]] = [[], []]
        for _ in range(3 if len(text) > 10_000 else 100):
            for kept, side in zip(times, sides, strict=True):
                started = time.process_time()
                side()
                kept.append(1000 * (time.process_time() - started))
        yield name, statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="package:all-minilm-l6-v2")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--paths", nargs="+", choices=list(PATHS), default=["plain", "eager", "frozen trace", "onnx"])
    parser.add_argument("--core", type=int, default=0)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        directory, tokenizer = Path(scratch), new_tokenizer(arguments.backbone)
        model = new_router(TrainingConfig(backbone=arguments.backbone), EXPERTS)
        model.save_pretrained(directory)
        export_onnx(model, tokenizer, directory / "router.onnx")
        paths = {}
        for name in dict.fromkeys(["plain", *arguments.paths]):
            started = time.perf_counter()
            paths[name] = PATHS[name](directory)
            paths[name](*batch(1, 16))
            print(f"{name}: ready after {time.perf_counter() - started:.1f} s", flush=True)
        print("\nms, and times as fast as plain")
        for column, seconds, calls in measured(paths, arguments.lengths, arguments.batches):
            ratios = {name: statistics.median(np.divide(seconds["plain"], taken)) for name, taken in seconds.items()}
            cells = (
                f"{name} {1000 * statistics.median(taken) / calls:.1f} ({ratios[name]:.2f})"
                for name, taken in seconds.items()
            )
            print(f"{column:>9}: " + "  ".join(cells), flush=True)
    print("\ntokenizer: ms for the text as a whole, and read in pieces")
    for name, whole, pieces in tokenisation(tokenizer):
        print(f"{name:>10}: {whole:.2f}  {pieces:.2f}")


if __name__ == "__main__":
    main()
