"""Is a plan right? Calibrate `zooter plan` on a small real run and predict a larger one, on this machine.

python benchmarks/planning.py --small 60 --large 240 --directory runs/planning

Both runs are the demo with real vLLM engines on the CPU, in fresh directories, one after the other; finished runs in
`small` and `large` of the directory are used as they are. `--set` changes the larger run alone, say
generation.experts.0.decoding.max_tokens=32.
Starts and work are compared apart, since starts are most of a small run. The load of the machine is printed, because
whatever else runs beside one of the two is taken for a change of the machine.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from zooter_ray.cli.plan import calibration_of
from zooter_ray.planning.calibration import Measured
from zooter_ray.planning.measured import MeasuredRun, compare, read_run
from zooter_ray.planning.plan import Line, Plan, Planner
from zooter_ray.planning.stages import make_plan
from zooter_ray.planning.tables import gpu_named

DEMO = Path(__file__).parents[1] / "jobs/configs/demo.yaml"


def run(directory: Path, limit: int, overrides: list[str]) -> None:
    """Run the demo, unless it is finished."""
    if (directory / "run.json").exists():
        return
    settings = [f"run_dir={directory}", f"queries.limit={limit}", *overrides]
    command = [sys.executable, "-m", "zooter_ray.cli.main", "run", "--config", str(DEMO)]
    print(f"{directory}: load before {os.getloadavg()[0]:.1f}", flush=True)
    subprocess.run([*command, *(part for setting in settings for part in ("--set", setting))], check=True)
    print(f"{directory}: load after {os.getloadavg()[0]:.1f}", flush=True)


def predict(small: MeasuredRun, large: MeasuredRun, known_lengths: bool) -> Plan:
    """The plan of the larger run: its number of queries, and times (and lengths) as the smaller one has them."""
    cpu = gpu_named("cpu")
    lengths = large.workload if known_lengths else small.workload
    workload = replace(lengths, read=large.workload.read, queries=large.workload.queries)
    return make_plan(Planner(large.config, workload, cpu, 1, calibration=calibration_of(small, cpu, 1, {})))


def show(plan: Plan, large: MeasuredRun) -> None:
    """Predicted and measured seconds of each unit and stage, and their ratio."""
    print(f"{'seconds of start + work':42} {'predicted':>24} {'measured':>24} {'ratio':>6}")
    found = list(zip(plan.lines, compare(large, plan), strict=True))
    for stage in dict.fromkeys(line.stage for line in plan.lines):
        of_stage = [(line, item) for line, item in found if line.stage == stage]
        for line, item in of_stage:
            show_row(f"  {line.unit}", [(line, item)])
        show_row(stage, of_stage)
    show_row("all", found)


def show_row(name: str, found: list[tuple[Line, Measured]]) -> None:
    sums = [
        sum(getattr(of, name) for of in side) for side in zip(*found, strict=True) for name in ("start_s", "busy_s")
    ]
    predicted, measured = (f"{start:8.1f} + {busy:6.1f} = {start + busy:6.1f}" for start, busy in (sums[:2], sums[2:]))
    print(f"{name:42} {predicted} {measured} {sum(sums[:2]) / sum(sums[2:]):6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", type=int, default=60)
    parser.add_argument("--large", type=int, default=240)
    parser.add_argument("--directory", type=Path, default=Path("runs/planning"))
    parser.add_argument("--known-lengths", action="store_true", help="take the larger run's lengths as known")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    arguments = parser.parse_args()
    small, large = (arguments.directory / name for name in ("small", "large"))
    run(small, arguments.small, [])
    run(large, arguments.large, arguments.overrides)
    large_run = read_run(str(large))
    show(predict(read_run(str(small)), large_run, arguments.known_lengths), large_run)


if __name__ == "__main__":
    main()
