"""Generation under Ray Data LLM against plain vLLM `LLM.chat`, on the same prompts in one run, once engines are up.

python benchmarks/generation.py --prompts 640 --tokens 48 --rounds 2

Plain vLLM is timed from the call that hands all prompts to a fresh engine to its return; Ray from the first request
that reaches a fresh engine to the commit of the last block.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import ray
from rich.console import Console
from simulated import commit_times

from zooter_ray.artifacts import make_unit, parts, read_part, read_table
from zooter_ray.cluster import connected
from zooter_ray.config import load_config
from zooter_ray.config.generation import ExpertConfig, VllmEngine
from zooter_ray.package_models import resolve_source
from zooter_ray.progress import track
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages.blocks import committed_rows
from zooter_ray.stages.engines import vllm as vllm_engine
from zooter_ray.stages.engines.ledger import new_ledger

DEMO = Path(__file__).parents[1] / "jobs/configs/demo.yaml"


def query(number: int) -> str:
    return f"Write a short story about the number {number}."


def expert_of(tokens: int) -> tuple[VllmEngine, ExpertConfig]:
    """The demo's SmolLM2, generating `tokens` tokens unless it stops by itself."""
    expert = load_config(DEMO).generation.experts[0]
    assert isinstance(expert.engine, VllmEngine)
    decoding = expert.decoding.model_copy(update={"max_tokens": tokens})
    return expert.engine, expert.model_copy(update={"decoding": decoding})


def under_ray(count: int, tokens: int) -> tuple[int, float]:
    """(tokens, seconds) of the stage's own path: render, generate, commit."""
    engine, expert = expert_of(tokens)
    rows = [
        {"query_id": f"{i:05}", "expert": expert.id, "sample": 0, "query": query(i), "source": "b", "reference": None}
        for i in range(count)
    ]
    schema = pa.schema([(name, pa.int32() if name == "sample" else pa.string()) for name in rows[0]])
    blocks = [pa.Table.from_pylist(rows[start : start + 64], schema) for start in range(0, count, 64)]
    with tempfile.TemporaryDirectory() as directory, connected(load_config(DEMO).ray):
        unit = make_unit(directory, "02_responses", expert.id, {})
        dataset = vllm_engine.generate(ray.data.from_arrow(blocks), engine, [expert], new_ledger([unit], 2))
        track(committed_rows(dataset, {expert.id: unit}, RESPONSES), count, "ray", Console(file=io.StringIO()))
        made = read_table(unit.path, RESPONSES, ["generated_tokens"])["generated_tokens"].to_pylist()
        return sum(made), max(commit_times({expert.id: unit})) - min(map(asked_at, parts(unit.path)))


def asked_at(part: str) -> float:
    """When the engine was asked for the rows of a block: it is committed as its slowest row is there."""
    (slowest,) = read_part(part, RESPONSES, ["seconds"]).group_by([]).aggregate([("seconds", "max")])["seconds_max"]
    return Path(part).stat().st_mtime - float(slowest.as_py())


def plain(count: int, tokens: int) -> tuple[int, float]:
    """(tokens, seconds) of `LLM.chat` with the same engine arguments, in this process."""
    from vllm import LLM, SamplingParams

    engine, _ = expert_of(tokens)
    os.environ.update(load_config(DEMO).ray.env_vars)
    llm = LLM(
        resolve_source(engine.source), dtype=engine.dtype, max_model_len=engine.max_model_len, **engine.engine_kwargs
    )
    conversations = [[{"role": "user", "content": query(i)}] for i in range(count)]
    started = time.perf_counter()
    outputs = llm.chat(conversations, SamplingParams(temperature=0, max_tokens=tokens), use_tqdm=False)
    return sum(len(output.outputs[0].token_ids) for output in outputs), time.perf_counter() - started


def in_a_process(side: str, prompts: int, tokens: int) -> tuple[int, float]:
    command = [sys.executable, __file__, "--side", side, "--prompts", str(prompts), "--tokens", str(tokens)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    found = json.loads(result.stdout.splitlines()[-1])
    return found["tokens"], found["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=640)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", choices=["ray", "plain"])
    arguments = parser.parse_args()
    if arguments.side:
        made, seconds = {"ray": under_ray, "plain": plain}[arguments.side](arguments.prompts, arguments.tokens)
        print(json.dumps({"tokens": made, "seconds": seconds}), flush=True)
        return
    for number in range(arguments.rounds):
        speed = {}
        for side in ("plain", "ray"):
            made, seconds = in_a_process(side, arguments.prompts, arguments.tokens)
            speed[side] = made / seconds
            print(f"round {number}: {side}: {made} tokens in {seconds:.1f} s, {speed[side]:.0f} tokens/s", flush=True)
        print(f"round {number}: ray / plain = {speed['ray'] / speed['plain']:.3f}", flush=True)


if __name__ == "__main__":
    main()
