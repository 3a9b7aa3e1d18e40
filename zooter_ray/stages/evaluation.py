"""Stage 6, evaluation: router and held-out outcomes -> report.json and report.md."""

import posixpath
from collections.abc import Iterator, Mapping

import numpy as np
from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, make_unit, write_bytes, write_json, write_manifest
from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.errors import StageError
from zooter_ray.evaluation.report import build_report, markdown
from zooter_ray.outcomes import Outcomes, read_outcomes
from zooter_ray.progress import track
from zooter_ray.router.predictor import RouterPredictor

STAGE = "06_evaluation"
PREDICTED_TOGETHER = 256


def unit(config: EvaluationConfig, router: Unit, run_dir: str) -> Unit:
    """The one unit of this stage."""
    return make_unit(run_dir, STAGE, "report", config.identity(), [router])


def run(
    config: EvaluationConfig, router: Unit, outcomes_path: str, shown: Mapping[str, str], run_dir: str, console: Console
) -> Unit:
    """Evaluate the router on the outcomes whose split is `eval`, if the unit is not complete.

    Raises:
        StageError: if no row is held out.
    """
    report = unit(config, router, run_dir)
    if is_complete(report):
        return report
    predictor = RouterPredictor(router.path)
    outcomes = read_outcomes(outcomes_path, predictor.experts)
    held_out = outcomes.rows(np.array([split == "eval" for split in outcomes.splits]))
    if not held_out.query_ids:
        raise StageError("no query is held out for evaluation; set queries.eval_share or a source's split_column")
    evaluate(config, predictor, held_out, predictor.card.baselines, shown, report.path, console)
    write_manifest(report, len(outcomes.query_ids), len(held_out.query_ids), {})
    return report


def evaluate(
    config: EvaluationConfig,
    predictor: RouterPredictor,
    outcomes: Outcomes,
    means: Mapping[str, object],
    shown: Mapping[str, str],
    output: str,
    console: Console,
) -> None:
    """Write report.json and report.md for these rows into `output`."""
    probabilities_QM = predict(predictor, outcomes.queries, console)
    report = build_report(outcomes, probabilities_QM, means, config, shown)
    write_json(posixpath.join(output, "report.json"), report)
    write_bytes(posixpath.join(output, "report.md"), markdown(report).encode())


def predict(predictor: RouterPredictor, queries: list[str], console: Console) -> np.ndarray:
    """Probabilities (Q, M) of the queries, with progress."""
    chunks: list[np.ndarray] = []
    starts = range(0, len(queries), PREDICTED_TOGETHER)

    def counts() -> Iterator[int]:
        for start in starts:
            chunks.append(predictor(queries[start : start + PREDICTED_TOGETHER]))
            yield len(chunks[-1])

    track(counts(), len(queries), "evaluation", console)
    return np.concatenate(chunks)
