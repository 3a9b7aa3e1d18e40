"""The paper's tables and Figure 3 in every form that `zooter report` writes."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from zooter_ray.evaluation.metrics import grouped
from zooter_ray.evaluation.paper_tables import MethodRow, PaperTables, RunRow, size
from zooter_ray.evaluation.rendering.entropy_gain import entropy_against_gain, entropy_table
from zooter_ray.evaluation.rendering.grid import Column, Grid, as_latex, as_markdown
from zooter_ray.evaluation.rendering.plots import picture
from zooter_ray.evaluation.rendering.tables import Table, as_csv

UNRIVALLED = ("oracle", "reference")  # kinds of rows that nobody competes with: no figure of theirs is bold
Row = MethodRow | RunRow
Best = Callable[[Iterable[float]], float]
BRACKETS = " Beta in brackets: what labeling.beta_rows made of it."
PAPER_NAMES = {"hard_label": "hard labels", "kl": "distillation", "reverse_kl": "distillation, reverse KL"}


def files_of(tables: PaperTables) -> dict[str, bytes]:
    """Content of every file by its name."""
    grids = {"table1": table1(tables), "table2": table2(tables)}
    figure = entropy_against_gain(tables.figure3, tables.value)
    return {
        "tables.json": (tables.model_dump_json(indent=2) + "\n").encode(),
        "tables.md": ("\n".join([*map(as_markdown, grids.values()), notes(tables)]) + "\n").encode(),
        **{f"{name}.tex": as_latex(grid).encode() for name, grid in grids.items()},
        "table1.csv": as_csv(table1_numbers(tables)),
        "table2.csv": as_csv(table2_numbers(tables)),
        "figure3.png": picture(figure, "png"),
        "figure3.csv": as_csv(entropy_table(tables.figure3)),
    }


def table1(tables: PaperTables) -> Grid:
    """Every method: what chooses, what answers, mean and MTR per group, MTR and uplift over all."""
    rows = tables.table1
    texts = [Column("method", is_text=True), Column("ranker", is_text=True), Column("inference", is_text=True)]
    cells = [[row.method, "" if row.ranker_parameters is None else size(row.ranker_parameters), row.inference or ""]
             for row in rows]  # fmt: skip
    ends = [number for number, row in enumerate(rows[:-1]) if _section(row) != _section(rows[number + 1])]
    title = f"Table 1: {tables.value} and mean task rank of every method, on {tables.rows} held-out queries"
    (oracle,) = (row for row in rows if row.kind == "oracle")
    competing = [row.kind not in UNRIVALLED and not _is_oracle(row, oracle) for row in rows]
    return _grid(title, tables, texts, cells, rows, competing, frozenset(ends))


def _is_oracle(row: MethodRow, oracle: MethodRow) -> bool:
    """Whether a reward ranking is the oracle, since its rewards are the very grades that methods are measured by."""
    return row.kind == "reward_ranking" and (row.mean, row.per_group) == (oracle.mean, oracle.per_group)


def _section(row: MethodRow) -> str:
    """Rows of one section stand without a line between them."""
    sections = {"random": "baseline", "other_router": "router", "oracle": "reward_ranking"}
    return sections.get(row.kind, row.kind)


def table2(tables: PaperTables) -> Grid:
    """The router of every run: how it was distilled, and what it earns."""
    rows = tables.table2
    texts = [Column("loss", is_text=True), Column("beta"), Column("T"), Column("run", is_text=True)]
    cells = [[PAPER_NAMES.get(row.loss, row.loss), _beta(row), _setting(row.temperature), row.run]
             for row in rows]  # fmt: skip
    title = "Table 2: zooter by its loss and by beta, the weight of sample labels against tag labels"
    return _grid(title, tables, texts, cells, rows, [True] * len(rows), frozenset())


def _beta(row: RunRow) -> str:
    """Beta as it was set, and in brackets what the number of training rows made of it."""
    return _setting(row.beta) if row.used_beta == row.beta else f"{_setting(row.beta)} ({row.used_beta:.2g})"


def _setting(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _grid(
    title: str,
    tables: PaperTables,
    texts: Sequence[Column],
    cells: Sequence[Sequence[str]],
    rows: Sequence[Row],
    competing: Sequence[bool],
    section_ends: frozenset[int],
) -> Grid:
    """Columns of text, then those of figures, in which the best of the rows that compete are bold."""
    measures = list(_measures(tables, rows))
    shown = [[f"{value:.{digits}f}" for value in values] for _, values, digits, _ in measures]
    bold = {
        (number, len(texts) + place)
        for place, (column, (_, _, _, best)) in enumerate(zip(shown, measures, strict=True))
        for number in _best_rows(column, competing, best)
    }
    lines = [[*text, *figures] for text, figures in zip(cells, zip(*shown, strict=True), strict=True)]
    return Grid(title, [*texts, *(column for column, _, _, _ in measures)], lines, frozenset(bold), section_ends)


def _best_rows(column: Sequence[str], competing: Sequence[bool], best: Best) -> list[int]:
    """The rows whose figure, as it is shown, is the best of those that compete; none where nobody else does."""
    rows = [number for number, competes in enumerate(competing) if competes]
    found = best(float(column[number]) for number in rows)
    return [number for number in rows if float(column[number]) == found and len(rows) > 1]


def _measures(tables: PaperTables, rows: Sequence[Row]) -> Iterator[tuple[Column, list[float], int, Best]]:
    """Every column of figures: what stands over it, its values, the digits shown, and which of them is best."""
    for group, count in group_sizes(tables).items():
        shown = f"{group or '(no group)'} ({count})"
        yield Column("mean", shown), [row.per_group[group].mean for row in rows], 3, max
        yield Column("MTR", shown), [row.per_group[group].mean_task_rank for row in rows], 2, min
    shown = f"all ({len(tables.sources)})"
    yield Column("mean", shown), [row.mean for row in rows], 3, max
    yield Column("MTR", shown), [row.mean_task_rank for row in rows], 2, min
    yield Column("uplift", shown), [row.uplift for row in rows], 2, max


def group_sizes(tables: PaperTables) -> dict[str, int]:
    """How many sources each group has; empty where no source is called group/subset."""
    return {group: len(grouped(tables.sources)[group]) for group in tables.table1[0].per_group}


def notes(tables: PaperTables) -> str:
    """What one has to know to read the tables."""
    rivals = "the single experts" if tables.rank_against == "experts" else "all methods but references"
    rows = "sources and averages of groups" if tables.include_overall else "sources"
    return (
        f"MTR: mean task rank over the {rows}, lower is better; uplift: share of them on which a method is the best. "
        f"Every method is ranked against {rivals}. Bold: the best of a column, leaving out the oracle, a reward "
        "ranking that equals it, and hosted models, which nothing is ranked against. Ranker: parameters of the "
        "router, without its embeddings, or of the reward model. Inference: what answers one query; the size of an "
        "expert, or how many experts, where sizes are not known. The mean over all sources counts "
        "each the same, whatever its scale. Table 1 and Figure 3 are of the first run."
        + (BRACKETS if any(row.used_beta != row.beta for row in tables.table2) else "")
    )


def table1_numbers(tables: PaperTables) -> Table:
    """Table 1 in full precision."""
    header = ["method", "kind", "ranker_parameters", "inference", *_numbers_header(tables)]
    return header, [
        [row.method, row.kind, row.ranker_parameters, row.inference, *_numbers(row)] for row in tables.table1
    ]


def table2_numbers(tables: PaperTables) -> Table:
    """Table 2 in full precision."""
    header = ["run", "loss", "beta", "used_beta", "temperature", *_numbers_header(tables)]
    return header, [
        [row.run, row.loss, row.beta, row.used_beta, row.temperature, *_numbers(row)] for row in tables.table2
    ]


def _numbers_header(tables: PaperTables) -> list[str]:
    groups = [f"{group or '(no group)'} {name}" for group in group_sizes(tables) for name in ("mean", "mean_task_rank")]
    return [*groups, "mean", "mean_task_rank", "uplift"]


def _numbers(row: Row) -> list[float]:
    groups = [value for found in row.per_group.values() for value in (found.mean, found.mean_task_rank)]
    return [*groups, row.mean, row.mean_task_rank, row.uplift]
