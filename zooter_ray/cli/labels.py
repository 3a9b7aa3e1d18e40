"""`zooter labels inspect QUERY_ID --run DIR`: how a query came by its soft label."""

import argparse
import bisect
import difflib
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc
from rich import box
from rich.console import Console
from rich.table import Table

from zooter_ray.artifacts import MANIFEST, file_system, moved, parts, read_json, read_part, read_table
from zooter_ray.errors import DataError
from zooter_ray.evaluation.entropy import reward_entropy
from zooter_ray.labels import sample_labels, source_tag
from zooter_ray.schemas import LABELS, OUTCOMES, REJECTED, TAG_LABELS, TAG_LABELS_FILE

NEIGHBOURS = 50  # ids before and after a mistyped one that are looked at
HELP = "show how a query came by its soft label"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    inspect = actions.add_parser("inspect", help=HELP, description=HELP)
    inspect.add_argument("query_id", metavar="QUERY_ID")
    inspect.add_argument("--run", default="runs/demo", metavar="DIR", help="run directory; default: %(default)s")


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Print the rewards, tags, tag labels and the final label of a query.

    Raises:
        DataError: if the run has no labels, or none of this query.
    """
    labels = labels_of(arguments.run)
    manifest = read_json(posixpath.join(labels, MANIFEST))
    outcomes = moved(manifest["outcomes"], arguments.run)
    row = find_row(labels, LABELS, arguments.query_id)
    if row is None:
        raise DataError(why_there_is_none(labels, outcomes, arguments.query_id))
    known = find_row(outcomes, OUTCOMES, arguments.query_id)
    if known is None:
        raise DataError(f"{outcomes} has no query {arguments.query_id!r} any more; run the labeling stage again")
    rows = read_part(posixpath.join(labels, TAG_LABELS_FILE), TAG_LABELS, TAG_LABELS.names).to_pylist()
    print_row(row, known, {tag["tag"]: tag for tag in rows}, manifest, console)


def labels_of(run_dir: str) -> str:
    """The unit of labels that a run used last.

    Raises:
        DataError: if there is none that a query can be looked up in.
    """
    path = posixpath.join(run_dir, "run.json")
    fs, inner = file_system(path)
    if not fs.exists(inner) or "labeling" not in (paths := read_json(path)):
        raise DataError(f"{run_dir} holds no run that has come to its labels; name one with --run")
    labels = moved(paths["labeling"], run_dir)
    manifest = posixpath.join(labels, MANIFEST)
    if not fs.exists(file_system(manifest)[1]) or "outcomes" not in read_json(manifest):
        raise DataError(f"{labels} was made by an older version, or is not complete; run the labeling stage again")
    return labels


def find_row(directory: str, schema: Any, query_id: str) -> dict[str, Any] | None:
    """The row of a query, part by part."""
    for part in parts(directory):
        rows = read_part(part, schema, schema.names)
        found = rows.filter(pc.equal(rows["query_id"], query_id)).to_pylist()
        if found:
            return dict(found[0])
    return None


def why_there_is_none(labels: str, outcomes: str, query_id: str) -> str:
    """One sentence: the query was rejected, or there is none of that id, with ids that look like it."""
    rejected = find_row(posixpath.join(labels, "rejected"), REJECTED, query_id)
    if rejected is not None:
        return f"query {query_id!r} has no label: {rejected['reason']}"
    ids = read_table(outcomes, OUTCOMES, ["query_id"])["query_id"].to_pylist()
    ids.sort()
    place = bisect.bisect(ids, query_id)
    near = difflib.get_close_matches(query_id, ids[max(0, place - NEIGHBOURS) : place + NEIGHBOURS], 3, 0.0)
    return f"the run has no query {query_id!r}; its ids look like {', '.join(near)}"


def print_row(
    row: Mapping[str, Any],
    known: Mapping[str, Any],
    tags: Mapping[str, Mapping[str, Any]],
    manifest: Mapping[str, Any],
    console: Console,
) -> None:
    """The query, and a column per expert: rewards, costs, sample label, tag labels, final label.

    Where rewards are smoothed, the means of tags are rewards, and there is no sample label.
    """
    settings = manifest["settings"]
    rewards_1M = np.array([row["rewards"]])
    sample_M = sample_labels(rewards_1M, settings["temperature"])[0]
    entropy = reward_entropy(rewards_1M, settings["temperature"])[0]
    console.print(row["query"], highlight=False, soft_wrap=True)
    console.print(f"{row['query_id']}, source {row['source']}, split {row['split']}", highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    table.add_column("")
    for expert in manifest["experts"]:
        table.add_column(expert, justify="right")
    for name, rewards in zip(manifest["reward_models"], known["rewards"], strict=True):
        table.add_row(f"reward: {name}", *cells(rewards))
    if settings["rewards_of"] not in manifest["reward_models"]:
        table.add_row(f"reward: {settings['rewards_of']}", *cells(row["rewards"]))
    table.add_row("generated tokens", *cells(known["costs"], 1), end_section=True)
    of_rewards = settings["smooth"] == "rewards"
    if not of_rewards:
        table.add_row(f"sample label (T = {settings['temperature']:g})", *cells(sample_M))
    mean = "mean reward" if of_rewards else "tag label"
    source = source_tag(row["source"])  # a tag as well where there are several sources
    for tag in (*row["tags"], *([source] if settings["source_as_tag"] and source in tags else [])):
        found = tags.get(tag)
        name = f"{mean}: {tag} ({found['queries'] if found else 'no'} training queries)"
        table.add_row(name, *(cells(found["label"]) if found else [""] * len(sample_M)))
    temperature = f", T = {settings['temperature']:g}" if of_rewards else ""
    table.add_row(f"label (beta = {settings['beta']:g}{temperature})", *cells(row["label"]), style="bold")
    console.print(table)
    preference = "" if row["has_preference"] else "; all experts earn the same, so it is not learned from"
    console.print(f"entropy of the sample label: {entropy:.2f} of log M{preference}", highlight=False)


def cells(values: Sequence[float], digits: int = 3) -> list[str]:
    """Numbers for a row; none where there is none."""
    return ["none" if np.isnan(value) else f"{value:.{digits}f}" for value in values]
