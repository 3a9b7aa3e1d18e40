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
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from zooter_ray.artifacts import Unit, commit, make_unit, read_table, write_manifest
from zooter_ray.config import load_config
from zooter_ray.evaluation.agreement import add_sums, supervision_sums
from zooter_ray.evaluation.rendering.terminal import agreement_table
from zooter_ray.outcomes import read_rows
from zooter_ray.pipeline import connected
from zooter_ray.progress import new_console
from zooter_ray.schemas import RESPONSES, REWARDS
from zooter_ray.stages import scoring

Row = dict[str, Any]


def read(data: Path, limit: int | None) -> tuple[list[Row], dict[str, dict[str, Row]]]:
    """Queries, and by expert and query what it answered; prints every expert's win rate over all its verdicts."""
    queries = [row for _, row in read_rows(str(data / "queries.jsonl.gz"))]
    experts = {path.name.removesuffix(".jsonl.gz"): path for path in sorted((data / "responses").iterdir())}
    answers = {expert: {row["query_id"]: row for _, row in read_rows(str(path))} for expert, path in experts.items()}
    for expert, rows in answers.items():
        wins = [row["win"] for row in rows.values() if row["win"] is not None]
        print(f"{expert:24} wins {100 * sum(wins) / len(wins):.2f}% of {len(wins)} against text-davinci-003")
    judged = [q for q in queries if all(rows[q["query_id"]]["win"] is not None for rows in answers.values())]
    print(f"{len(judged)} of {len(queries)} queries have a verdict on every expert")
    return judged[:: max(1, len(judged) // limit)][:limit] if limit else judged, answers


def write_outcomes(path: Path, queries: list[Row], answers: Mapping[str, Mapping[str, Row]]) -> None:
    """An outcomes file with GPT-4's verdicts as rewards."""
    with path.open("w", encoding="utf-8") as file:
        for query in queries:
            rows = {expert: found[query["query_id"]] for expert, found in answers.items()}
            outcome = {
                "query_id": query["query_id"],
                "query": query["query"],
                "source": query["subset"],
                "rewards": {expert: row["win"] for expert, row in rows.items()},
                "responses": {expert: row["response"] for expert, row in rows.items()},
            }
            file.write(json.dumps(outcome) + "\n")


def response_unit(run_dir: str, expert: str, queries: list[Row], rows: Mapping[str, Row]) -> Unit:
    """Responses that others have generated, as a unit of the run."""
    content = json.dumps([[query["query_id"], rows[query["query_id"]]["response"]] for query in queries])
    unit = make_unit(run_dir, "02_responses", expert, {"content": hashlib.sha256(content.encode()).hexdigest()})
    told = [
        {"query_id": query["query_id"], "expert": expert, "sample": 0, "query": query["query"], "finish_reason": "stop",
         "response": rows[query["query_id"]]["response"], "prompt_tokens": 0, "generated_tokens": 0, "seconds": 0.0}
        for query in queries
    ]  # fmt: skip
    for start in range(0, len(told), 64):
        commit(unit.path, pa.Table.from_pylist(told[start : start + 64], RESPONSES), ["query_id", "sample"])
    write_manifest(unit, len(told), len(told), {})
    return unit


def matrix(queries: list[Row], units: Mapping[str, Unit]) -> np.ndarray:
    """Rewards (Q, M); NaN where there is none."""
    columns = []
    for unit in units.values():
        found = {row["query_id"]: row["reward"] for row in read_table(unit.path, REWARDS).to_pylist()}
        columns.append([found.get(query["query_id"], np.nan) for query in queries])
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
    queries, answers = read(arguments.data, arguments.limit)
    responses = {expert: response_unit(run_dir, expert, queries, rows) for expert, rows in answers.items()}
    write_outcomes(arguments.run_dir / "outcomes.jsonl", queries, answers)
    console = new_console()
    with connected(config.ray):
        scored = scoring.run(config.scoring, responses, run_dir, console)
    ids = [query["query_id"] for query in queries]
    rewards = {"gpt-4": np.array([[rows[i]["win"] for rows in answers.values()] for i in ids])}
    rewards["length"] = np.array([[float(len(rows[i]["response"])) for rows in answers.values()] for i in ids])
    rewards |= {model: matrix(queries, units) for model, units in scored.items()}
    told = add_sums([supervision_sums(rewards, rewards["gpt-4"], [[q["subset"]] for q in queries], 1.0)])
    console.print(agreement_table(told))
    for tag in told.tags:
        print(f"{tag.tag:16} {tag.rows:4} queries, entropy of GPT-4's verdicts {tag.entropy:.2f} of log M")
    for name, rewards_QM in rewards.items():
        print(f"{name:24} missing {int(np.isnan(rewards_QM).sum())} of {rewards_QM.size}")


if __name__ == "__main__":
    main()
