"""`zooter report --runs DIR [DIR ...] [--reference FILE] --output DIR`: the paper's tables for one's own experts."""

import argparse
import posixpath
from collections.abc import Mapping, Sequence

from pydantic import FiniteFloat, TypeAdapter, ValidationError
from rich.console import Console

from zooter_ray.artifacts import absolute, file_system, moved, read_json, write_bytes
from zooter_ray.cli.plan import positive
from zooter_ray.config.load import load_config, read_yaml
from zooter_ray.errors import ConfigError, DataError
from zooter_ray.evaluation.paper_tables import References, make_tables, reward_models
from zooter_ray.evaluation.schema import Report, read_report
from zooter_ray.planning.models import shape_of
from zooter_ray.planning.tables import table

HELP = "the paper's Table 1, Table 2 and Figure 3 from finished runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument(
        "--runs", nargs="+", required=True, metavar="DIR",
        help="run directories, directories that `zooter evaluate` wrote, or a report.json; Table 1 and Figure 3 are of "
        "the first",
    )  # fmt: skip
    parser.add_argument(
        "--reference", metavar="FILE", help="YAML or JSON of hosted models to show beside: name -> {source: value}"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="gets tables.md, .json, .csv, .tex and figure3")
    parser.add_argument(
        "--parameters", action="append", default=[], type=named_size, metavar="NAME=N",
        help="size of an expert or a reward model, say vicuna=13e9; known of the models in a run's own config",
    )  # fmt: skip
    parser.add_argument(
        "--rank-against", choices=("experts", "all"), help="whom methods are ranked against; default: as the first run"
    )
    parser.add_argument(
        "--include-overall", action=argparse.BooleanOptionalAction, default=None,
        help="whether the averages of groups are ranked as well; default: as in the first run",
    )  # fmt: skip


def named_size(text: str) -> tuple[str, float]:
    """NAME=13e9 as a name and a number."""
    name, _, number = text.rpartition("=")
    return name, positive(number)


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Write the tables and the figure, and show the tables."""
    from zooter_ray.evaluation.rendering.grid import as_rich
    from zooter_ray.evaluation.rendering.paper_tables import files_of, notes, table1, table2

    reports = {name: read_report(path) for name, path in reports_of(arguments.runs).items()}
    sizes = {**sizes_of(arguments.runs), **sizes_given(arguments.parameters, list(reports.values()))}
    references = read_references(arguments.reference) if arguments.reference else {}
    tables = make_tables(reports, references, sizes, arguments.rank_against, arguments.include_overall)
    for name, content in files_of(tables).items():
        write_bytes(posixpath.join(arguments.output, name), content)
    console.print(as_rich(table1(tables)), as_rich(table2(tables)))
    console.print(notes(tables), highlight=False)
    console.print(f"tables: {arguments.output}/tables.md", highlight=False, soft_wrap=True)


def reports_of(runs: Sequence[str]) -> dict[str, str]:
    """The report.json of every run, by the run's name.

    Raises:
        DataError: if one has none, or two are the same.
    """
    found: dict[str, str] = {}
    names: dict[str, str] = {}
    for name in runs:
        found[name] = report_of(name)
        path = posixpath.normpath(absolute(found[name]))
        if path in names:
            raise DataError(f"--runs names one report twice: {names[path]} and {name}")
        names[path] = name
    return found


def report_of(directory: str) -> str:
    """The report.json of a run directory, or of one that `zooter evaluate` wrote, or the file itself.

    Raises:
        DataError: if there is none.
    """
    if posixpath.basename(directory) == "report.json" and _exists(directory):
        return directory
    direct, run = (posixpath.join(directory, name) for name in ("report.json", "run.json"))
    if _exists(direct):
        return direct
    if not _exists(run):
        raise DataError(f"{directory} holds neither a report.json nor a run; evaluate a router into it first")
    if "evaluation" not in (paths := read_json(run)):
        raise DataError(f"the run in {directory} has not come to its evaluation; run it to its end first")
    report = posixpath.join(moved(paths["evaluation"], directory), "report.json")
    if not _exists(report):
        raise DataError(f"the run in {directory} has lost its {report}; run it again")
    return report


def _exists(path: str) -> bool:
    fs, inner = file_system(path)
    return bool(fs.exists(inner))


def sizes_of(runs: Sequence[str]) -> dict[str, float]:
    """Parameters of the experts and reward models that the configs of runs name and the project knows."""
    known: dict[str, float] = {}
    for config in (posixpath.join(run, "config.yaml") for run in runs):
        if _exists(posixpath.join(posixpath.dirname(config), "run.json")) and "://" not in config:
            known |= _sizes_in(config)
    return known


def _sizes_in(config_path: str) -> dict[str, float]:
    try:
        config = load_config(config_path)
    except ConfigError:  # of another version, say; its sizes may be given
        return {}
    experts = {expert.id: expert for expert in config.generation.experts}
    engines = {name: experts[expert.same_weights_as or name].engine for name, expert in experts.items()}
    sources = {name: getattr(engine, "source", "") for name, engine in engines.items()}
    sources |= {model.id: getattr(model, "source", "") for model in config.scoring.reward_models}
    listed = table("models")["names"]
    return {name: shape_of(source, {}).parameters for name, source in sources.items() if source in listed}


def sizes_given(given: Sequence[tuple[str, float]], reports: Sequence[Report]) -> dict[str, float]:
    """What --parameters says.

    Raises:
        ConfigError: for a name that is no expert and no reward model.
    """
    known = {name for report in reports for name in (*report.experts, *reward_models(report))}
    for name, _ in given:
        if name not in known:
            raise ConfigError(
                f"--parameters names {name!r}; the experts and reward models are {', '.join(sorted(known))}"
            )
    return dict(given)


def read_references(path: str) -> References:
    """Values of hosted models by source.

    Raises:
        ConfigError: if the file is of another form.
    """
    try:
        found: Mapping[str, Mapping[str, float]] = TypeAdapter(dict[str, dict[str, FiniteFloat]]).validate_python(
            read_yaml(path)
        )
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise ConfigError(f"{path}: {place}: a name must map to {{source: number}} ({problem['msg']})") from None
    return found
