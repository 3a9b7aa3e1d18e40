"""A plan as a person reads it."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from zooter_ray.planning.paper import WHY, Comparison
from zooter_ray.planning.plan import Line, Plan

PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z")
COLUMNS = ("GPUs", "tokens\nin", "tokens\nout", "FLOP", "bytes\nmoved", "GPU\nhours", "wall\ntime", "disk", "bound\nby")
SHORT = {"memory bandwidth": "memory"}


def amount(value: float) -> str:
    """Three digits and a prefix: 1.23M; nothing for zero."""
    if not value:
        return ""
    power = 0
    while value >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g}{PREFIXES[power]}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever is readable."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plan_table(plan: Plan) -> Table:
    """A row per stage, one per unit of work in it, and the total."""
    title = f"{plan.gpus} x {plan.gpu}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("unit", overflow="fold")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == COLUMNS[-1] else "right", no_wrap=True)
    for stage in dict.fromkeys(line.stage for line in plan.lines):
        units = [line for line in plan.lines if line.stage == stage]
        table.add_row(stage, *cells(units), "", style="bold")
        for line in units:
            table.add_row(" " + line.unit, *cells([line]), SHORT.get(line.bound, line.bound))
    table.add_section()
    table.add_row("total", *cells(plan.lines), "")
    return table


def cells(lines: Sequence[Line]) -> list[str]:
    """GPUs at most, and the sums of the other columns."""
    names = ("tokens_in", "tokens_out", "flops", "bytes_moved")
    sums = [amount(sum(getattr(line, name) for line in lines)) for name in names]
    hours = f"{sum(line.gpu_hours for line in lines):.2f}"
    wall, storage = duration(sum(line.wall_s for line in lines)), amount(sum(line.storage_bytes for line in lines))
    return [f"{max(line.gpus for line in lines):g}", *sums, hours, wall, storage]


def show_plan(plan: Plan, compared: Sequence[Comparison], console: Console) -> None:
    """The table, what it rests on, and the paper's figures beside it where they belong."""
    console.print(plan_table(plan))
    for note in plan.notes:
        console.print(f"- {note}", highlight=False)
    if not compared:
        return
    console.print("GPU hours against what the paper reports:", highlight=False)
    for item in compared:
        figures = f"{item.planned_gpu_hours:.2f} planned, {item.reported_gpu_hours:.0f} reported"
        console.print(f"  {item.stage}: {figures}, ratio {item.ratio:.3g}", highlight=False)
    for sentence in WHY:
        console.print(f"- {sentence}", highlight=False)
