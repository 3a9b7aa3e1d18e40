"""What a config is worth: on held-out files over several seeds, or by cross-validation on the training file alone.

python benchmarks/quality.py folds --config jobs/configs/routerdc.yaml --train $D/train.jsonl.gz --folds 5
python benchmarks/quality.py folds --config jobs/configs/routerdc.yaml --train $D/train.jsonl.gz --folds 2 --rows 600
python benchmarks/quality.py tasks --config jobs/configs/routerdc.yaml --train $D/train.jsonl.gz
python benchmarks/quality.py seeds --config jobs/configs/routerdc.yaml --train $D/train.jsonl.gz \\
  --test $D/dev.jsonl.gz $D/ood_dev.jsonl.gz --seeds 0 1 2 3 4

where D=$ZOOTER_PUBLIC_DATA/routerdc. Settings are chosen by `folds` and `tasks` (each source is held out in turn: how a
router fares on a task that it has not seen), which never look at a held-out file; `--rows` draws so many of the rows
that are left to train on: how a router fares with few outcomes. Each line is in percent, a mean over
sources; the best single expert and the best expert per source are those of the training rows. Intervals are of the
difference to the best single expert, paired by query, 95%.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from zooter_ray.config.load import load_distill_config
from zooter_ray.config.run import DistillConfig
from zooter_ray.evaluation.baselines import best_per_source, best_single
from zooter_ray.evaluation.learned import learn, rows_of_outcomes
from zooter_ray.evaluation.metrics import mean_over_sources, paired_bootstrap, source_means
from zooter_ray.outcomes import Outcomes, outcomes_table, read_outcomes, values
from zooter_ray.pipeline import distill
from zooter_ray.progress import new_console
from zooter_ray.router.predictor import RouterPredictor


def routed(config: DistillConfig, train: Outcomes, tests: Sequence[Outcomes]) -> list[np.ndarray]:
    """Choices (Q,) for each of the tests of a router that is distilled from `train`."""
    with tempfile.TemporaryDirectory() as scratch:
        outcomes, router = str(Path(scratch) / "outcomes.parquet"), str(Path(scratch) / "router")
        pq.write_table(outcomes_table(train), outcomes)
        started = time.monotonic()
        distill(outcomes, router, config, new_console())
        print(f"distilled in {time.monotonic() - started:.0f} s", flush=True)
        predictor = RouterPredictor(router)
        return [predictor(test.queries).argmax(axis=1) for test in tests]


def held_out(train: Outcomes, how: str, folds: int) -> Iterator[np.ndarray]:
    """Which rows (Q,) are held out, in turn: a share of every source, or a source."""
    sources = np.array(train.sources)
    fold_Q = np.zeros(len(sources), dtype=int)
    random = np.random.default_rng(0)
    for number, source in enumerate(sorted(set(train.sources))):
        rows = np.flatnonzero(sources == source)
        fold_Q[random.permutation(rows)] = np.arange(len(rows)) % folds if how == "folds" else number
    for fold in range(fold_Q.max() + 1):
        yield fold_Q == fold


def baselines(train: Outcomes, test: Outcomes) -> dict[str, np.ndarray]:
    """Choices (Q,) of the best single expert, and of the best expert per source where training rows have the source."""
    learned = learn(rows_of_outcomes(train))
    single_Q = np.full(len(test.queries), test.experts.index(best_single(learned)))
    per_source_Q = best_per_source(test, learned)
    return {"best single": single_Q, "best per source": single_Q if per_source_Q is None else per_source_Q}


def show(name: str, value_Q: np.ndarray, test: Outcomes, single_Q: np.ndarray | None = None) -> None:
    """Print a mean over sources, the means, and the interval of what is won over the best single expert."""
    means = "  ".join(f"{source} {100 * mean:.1f}" for source, mean in source_means(value_Q, test.sources).items())
    line = f"{name:16} {100 * mean_over_sources(value_Q, test.sources):.2f}  ({means})"
    if single_Q is not None:
        (found,) = paired_bootstrap((value_Q - single_Q)[None], test.sources, 10_000, 0.95, 0)
        line += f"  {100 * found.difference:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
    print(line, flush=True)


def earned(test: Outcomes, choice_Q: np.ndarray) -> np.ndarray:
    """What the chosen experts earn (Q,)."""
    found: np.ndarray = values(test)[np.arange(len(choice_Q)), choice_Q]
    return found


def over_seeds(config: DistillConfig, train: Outcomes, paths: Sequence[str], seeds: Sequence[int]) -> None:
    """Distil with each seed, and test on the held-out files."""
    tests = [read_outcomes(path, train.experts) for path in paths]
    found = [routed(of_seed(config, seed), train, tests) for seed in seeds]
    for path, test, choices in zip(paths, tests, zip(*found, strict=True), strict=True):
        print(f"\n{path}, {len(test.queries)} rows")
        known = {name: earned(test, choice_Q) for name, choice_Q in baselines(train, test).items()}
        for name, value_Q in known.items():
            show(name, value_Q, test)
        per_seed = [earned(test, choice_Q) for choice_Q in choices]
        for seed, value_Q in zip(seeds, per_seed, strict=True):
            show(f"seed {seed}", value_Q, test, known["best single"])
        means = [mean_over_sources(value_Q, test.sources) for value_Q in per_seed]
        show(f"mean of {len(seeds)}", np.mean(per_seed, axis=0), test, known["best single"])
        if len(seeds) > 1:
            print(f"standard deviation over seeds {100 * np.std(means, ddof=1):.2f}")


def of_seed(config: DistillConfig, seed: int) -> DistillConfig:
    """The same config with another seed."""
    return config.model_copy(update={"training": config.training.model_copy(update={"seed": seed})})


def drawn(outcomes: Outcomes, rows: int | None) -> Outcomes:
    """So many of the rows, or all."""
    if rows is None:
        return outcomes
    chosen = np.random.default_rng(0).permutation(len(outcomes.queries)) < rows
    return outcomes.rows(chosen)


def cross_validated(config: DistillConfig, train: Outcomes, how: str, folds: int, rows: int | None) -> None:
    """Distil on all but a part of the rows, or so many of these, in turn, and test on that part."""
    names = ("best single", "best per source", "router")
    value = {name: np.zeros(len(train.queries)) for name in names}
    for out_Q in held_out(train, how, folds):
        rest, part = drawn(train.rows(~out_Q), rows), train.rows(out_Q)
        (router_Q,) = routed(config, rest, [part])
        for name, choice_Q in {**baselines(rest, part), "router": router_Q}.items():
            value[name][out_Q] = earned(part, choice_Q)
    for name in names:
        show(name, value[name], train, None if name == "best single" else value["best single"])


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("how", choices=["folds", "tasks", "seeds"])
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", nargs="+", default=[])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rows", type=int, help="train on so many of the rows that are not held out; default: all")
    arguments = parser.parse_args()
    config, train = load_distill_config(arguments.config, arguments.set), read_outcomes(arguments.train)
    if arguments.how == "seeds":
        over_seeds(config, drawn(train, arguments.rows), arguments.test, arguments.seeds)
    else:
        cross_validated(config, train, arguments.how, arguments.folds, arguments.rows)


if __name__ == "__main__":
    main()
