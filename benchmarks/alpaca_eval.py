"""How far reward models agree with each other and with GPT-4's verdicts, on published responses to AlpacaEval.

python benchmarks/alpaca_eval.py --data $ZOOTER_PUBLIC_DATA/alpaca_eval --config jobs/configs/demo.yaml --limit 60 \\
  --set 'scoring.reward_models=[{id: judge, kind: generative, chat_template: null, max_characters: 1200, engine:
  {kind: vllm, source: "package:smollm2-135m-instruct", dtype: bfloat16, max_model_len: 2048, resources: {num_cpus: 1},
  engine_kwargs: {enforce_eager: true, gpu_memory_utilization: 0.2}}, decoding: {temperature: 0, max_tokens: 200}}]'

The responses become units as if the run had generated them, the configured reward models score them, and GPT-4's
verdict against text-davinci-003 (`win`: 1, 0.5 or 0) stands beside, as does the length of a response, which any judge
worth its price should beat. The outcomes with GPT-4's verdicts as rewards are written too, for `zooter distill`.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zooter_ray.artifacts import Unit, read_table
from zooter_ray.cluster import connected
from zooter_ray.config import load_config
from zooter_ray.config.benchmarks import Annotations
from zooter_ray.evaluation.agreement import add_sums, supervision_sums
from zooter_ray.evaluation.benchmarks import BenchmarkQuery, evenly, load
from zooter_ray.evaluation.benchmarks.annotations import published_grades
from zooter_ray.evaluation.benchmarks.outcomes import Grades, outcome_rows, subset_results
from zooter_ray.evaluation.rendering.terminal import agreement_table, subset_table
from zooter_ray.progress import new_console
from zooter_ray.schemas import REWARDS
from zooter_ray.stages import scoring
from zooter_ray.stages.benchmarks.grading import published_unit


def published(data: Path) -> Annotations:
    """The public data: queries, and a file of responses and verdicts per expert."""
    files = sorted((data / "responses").iterdir())
    experts = {path.name.removesuffix(".jsonl.gz"): str(path) for path in files}
    return Annotations(path=str(data / "queries.jsonl.gz"), experts=experts)


def judged_on_all(queries: list[BenchmarkQuery], grades: Grades, limit: int | None) -> list[BenchmarkQuery]:
    """The queries with a verdict on every expert, or so many of them, evenly over the set."""
    ids = {row["query_id"] for row in outcome_rows(queries, grades)}
    judged = [query for query in queries if query.query_id in ids]
    print(f"{len(judged)} of {len(queries)} queries have a verdict on every expert")
    return evenly(judged, limit)


def write_outcomes(path: Path, queries: list[BenchmarkQuery], grades: Grades) -> None:
    """An outcomes file with GPT-4's verdicts as rewards, to learn from: its rows are of no split."""
    with path.open("w", encoding="utf-8") as file:
        for row in outcome_rows(queries, grades):
            file.write(json.dumps({name: value for name, value in row.items() if name != "split"}) + "\n")


def matrix(queries: list[BenchmarkQuery], units: Mapping[str, Unit]) -> np.ndarray:
    """Rewards (Q, M); NaN where there is none."""
    columns = []
    for unit in units.values():
        found = {row["query_id"]: row["reward"] for row in read_table(unit.path, REWARDS).to_pylist()}
        columns.append([found.get(query.query_id, np.nan) for query in queries])
    return np.array(columns).T


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--limit", type=int, help="queries, evenly over the set; default: all")
    parser.add_argument("--run-dir", default="runs/alpaca_eval", type=Path)
    arguments = parser.parse_args()
    config = load_config(arguments.config, arguments.overrides)
    run_dir = str(arguments.run_dir.absolute())
    annotations, console = published(arguments.data), new_console()
    every = load(annotations)
    grades = published_grades(annotations, every)
    console.print(subset_table(subset_results(every, grades)))
    queries = judged_on_all(every, grades, arguments.limit)
    units = {expert: published_unit(run_dir, expert, queries, theirs) for expert, theirs in grades.items()}
    write_outcomes(arguments.run_dir / "outcomes.jsonl", queries, grades)
    with connected(config.ray):
        scored = scoring.run(config.scoring, {unit.name: unit for unit in units.values()}, run_dir, console)
    found = [[theirs[query.query_id] for theirs in grades.values()] for query in queries]
    rewards = {"gpt-4": np.array([[grade.value for grade in row] for row in found], dtype=float)}
    rewards["length"] = np.array([[float(len(grade.response)) for grade in row] for row in found])
    rewards |= {model: matrix(queries, units) for model, units in scored.items()}
    tags = [[source.partition("/")[2] for source in query.sources] for query in queries]
    told = add_sums([supervision_sums(rewards, rewards["gpt-4"], tags, 1.0)])
    console.print(agreement_table(told))
    for tag in told.tags:
        print(f"{tag.tag:16} {tag.rows:4} queries, entropy of GPT-4's verdicts {tag.entropy:.2f} of log M")
    for name, rewards_QM in rewards.items():
        print(f"{name:24} missing {int(np.isnan(rewards_QM).sum())} of {rewards_QM.size}")


if __name__ == "__main__":
    main()
