"""The report of an evaluation: as JSON, as Markdown, and as a table for the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.evaluation.baselines import Method, best_single, compared_methods
from zooter_ray.evaluation.metrics import Interval, gap_closed, mean_over_sources, paired_bootstrap, source_means
from zooter_ray.outcomes import Outcomes

SCHEMA_VERSION = 1


def build_report(
    outcomes: Outcomes,
    probabilities_QM: np.ndarray,
    means: Mapping[str, Any],
    config: EvaluationConfig,
    shown: Mapping[str, str],
) -> dict[str, Any]:
    """Evaluate a router on outcomes.

    Args:
        outcomes: held-out rows, experts in the router's order.
        probabilities_QM: the router's probabilities (Q, M) for these rows.
        means: training means of the experts, see baselines.expert_means.
        config: draws and confidence of the intervals.
        shown: how expert ids are shown.
    """
    chosen_Q = probabilities_QM.argmax(axis=1)
    methods = compared_methods(outcomes, chosen_Q, means)
    random, zooter, best, oracle = (one_of_kind(methods, kind) for kind in ("random", "router", "baseline", "oracle"))

    def interval(other: Method) -> Interval:
        return paired_bootstrap(
            zooter.value_Q, other.value_Q, outcomes.sources, config.draws, config.confidence, config.seed
        )

    intervals = {"random": interval(random), "best single": interval(best)}
    mean = {method.kind: mean_over_sources(method.value_Q, outcomes.sources) for method in (zooter, best, oracle)}
    return {
        "schema_version": SCHEMA_VERSION,
        "rows": len(outcomes.query_ids),
        "sources": {source: outcomes.sources.count(source) for source in sorted(set(outcomes.sources))},
        "value": "reward" if outcomes.metrics_QM is None else "metric",
        "best_single": best_single(means),
        "best_single_shown": shown.get(best_single(means), best_single(means)),
        "methods": [_method_json(method, outcomes, shown, best) for method in methods],
        "router_share": {
            expert: float((chosen_Q == index).mean()) for index, expert in enumerate(outcomes.experts)
        },
        "gap_closed": gap_closed(mean["router"], mean["baseline"], mean["oracle"]),
        "zooter_against": {name: asdict(found) for name, found in intervals.items()},
        "confidence": config.confidence,
        "verdicts": [_verdict(name, found, config.confidence) for name, found in intervals.items()],
    }  # fmt: skip


def one_of_kind(methods: Sequence[Method], kind: str) -> Method:
    """The one method of a kind; names will not do, since an expert may be called `random`."""
    (method,) = (method for method in methods if method.kind == kind)
    return method


def _method_json(method: Method, outcomes: Outcomes, shown: Mapping[str, str], best: Method) -> dict[str, Any]:
    return {
        "method": method.name,
        "shown": shown.get(method.name, method.name) if method.kind == "expert" else method.name,
        "kind": method.kind,
        "mean": mean_over_sources(method.value_Q, outcomes.sources),
        "per_source": source_means(method.value_Q, outcomes.sources),
        "generated_tokens": None if method.cost_Q is None else float(method.cost_Q.mean()),
        "relative_cost": None
        if method.cost_Q is None or best.cost_Q is None or not best.cost_Q.mean()
        else float(method.cost_Q.mean() / best.cost_Q.mean()),
    }


def _verdict(other: str, interval: Interval, confidence: float) -> str:
    """One plain sentence about zooter against another method."""
    name = "a random choice" if other == "random" else "the best single expert"
    numbers = f"({interval.difference:+.3f}, {confidence:.0%} interval {interval.low:+.3f} to {interval.high:+.3f})"
    if interval.low > 0:
        return f"zooter beats {name} {numbers}."
    if interval.high < 0:
        return f"zooter loses to {name} {numbers}."
    side = "ahead of" if interval.difference > 0 else "behind" if interval.difference < 0 else "level with"
    return f"zooter is {side} {name}, but these rows do not prove a difference {numbers}."


def terminal_table(report: Mapping[str, Any]) -> Table:
    """The report for the terminal: a row per source, a column per method; the best but the oracle in bold."""
    title = f"{report['value']} per source, on {report['rows']} held-out queries"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("source", no_wrap=True)
    for method in report["methods"]:
        style = {"router": "green", "oracle": "dim"}.get(method["kind"])
        words = method["shown"].split()
        header = "\n".join(words) if method["kind"] == "baseline" else method["shown"]
        table.add_column(header, justify="right", vertical="bottom", min_width=max(map(len, words)), style=style)
    contenders = [method for method in report["methods"] if method["kind"] != "oracle"]
    for source in [*report["sources"], "mean"]:
        best = max(_value(method, source) for method in contenders)
        cells = [_cell(_value(method, source), best, method["kind"]) for method in report["methods"]]
        table.add_row(source, *cells, end_section=source == list(report["sources"])[-1])
    table.add_row("tokens", *map(_tokens, report["methods"]))
    return table


def _value(method: Mapping[str, Any], column: str) -> float:
    return float(method["mean"] if column == "mean" else method["per_source"][column])


def _cell(value: float, best: float, kind: str) -> str:
    return f"[bold]{value:.3f}[/bold]" if value == best and kind != "oracle" else f"{value:.3f}"


def _tokens(method: Mapping[str, Any]) -> str:
    return "" if method["generated_tokens"] is None else f"{method['generated_tokens']:.1f}"


def markdown(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    sources = list(report["sources"])
    header = ["method", *sources, "mean", "generated tokens"]
    lines = [
        "# What the router is worth",
        "",
        f"{report['value'].capitalize()} per source and the mean over the sources; {report['rows']} held-out queries.",
        "",
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
    ]
    for method in report["methods"]:
        cells = [f"{_value(method, column):.3f}" for column in [*sources, "mean"]]
        lines.append(f"| {' | '.join([method['shown'], *cells, _tokens(method)])} |")
    gap = report["gap_closed"]
    lines += ["", f"- {best_single_line(report)}", *(f"- {verdict}" for verdict in report["verdicts"])]
    if gap is not None:
        lines.append(f"- zooter closes {gap:.0%} of the gap between the best single expert and the oracle.")
    shares = ", ".join(f"{expert} {share:.0%}" for expert, share in report["router_share"].items())
    lines.append(f"- The router's choices: {shares}.")
    return "\n".join(lines) + "\n"


def best_single_line(report: Mapping[str, Any]) -> str:
    """Which expert `best single` is, and how it was chosen."""
    return f"The best single expert, chosen on training data, is {report['best_single_shown']}."
