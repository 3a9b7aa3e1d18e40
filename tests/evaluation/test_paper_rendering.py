"""The paper's tables as people read them: Markdown, LaTeX, CSV and the terminal, and Figure 3."""

import csv
import io
import re
from typing import Any

import matplotlib.image
import pytest

from tests.evaluation.test_paper_tables import BEST, GPT, report_of, tables_of
from zooter_ray.evaluation.paper_tables import PaperTables, make_tables
from zooter_ray.evaluation.rendering.entropy_gain import entropy_against_gain
from zooter_ray.evaluation.rendering.grid import Column, Grid, as_latex, as_markdown, as_rich
from zooter_ray.evaluation.rendering.paper_tables import files_of, table1, table2
from zooter_ray.progress import new_console

HOSTILE = Grid(
    "100% of a_b",
    [Column("method", is_text=True), Column("mean", "x_y (2)"), Column("MTR", "x_y (2)"), Column("uplift")],
    [["[1] A&B|C_1 ~50% $x^2$ #{\\}<i>", "0.500", "1.00", "0.5"], ["b", "0.700", "2.00", ""]],
    frozenset({(1, 1), (0, 2)}),
    frozenset({0}),
)


@pytest.fixture(scope="module")
def tables() -> PaperTables:
    hard = report_of([1, 0, 1, 0], loss="hard_label")
    return make_tables({"runs/best": BEST, "runs/hard": hard}, {"GPT": GPT}, {"llama": 13e9, "vicuna": 13e9})


def bold(grid: Grid, column: int) -> dict[str, str]:
    """Bold figures of a column by the first cell of their row."""
    return {row[0]: row[column] for number, row in enumerate(grid.rows) if (number, column) in grid.bold}


def test_table_1_has_the_papers_columns(tables: PaperTables) -> None:
    shown = [f"{column.group} {column.name}".strip() for column in table1(tables).columns]
    assert shown == [
        "method", "ranker", "inference", "flask (2) mean", "flask (2) MTR", "mt_bench (1) mean", "mt_bench (1) MTR",
        "all (3) mean", "all (3) MTR", "all (3) uplift",
    ]  # fmt: skip
    rows = {row[0]: list(row[1:]) for row in table1(tables).rows}
    # zooter earns 1, 1 and 8, and so do best per source, chosen by training means, as vicuna: 1/2, 0 and 8.
    assert rows["zooter"] == ["86M", "13B", "1.000", "1.00", "8.000", "1.00", "3.333", "1.00", "1.00"]
    assert rows["reward ranking: ultrarm"][:2] == ["", "2x13B"]
    assert rows["GPT"] == ["", "", "0.700", "1.50", "9.000", "1.00", "3.467", "1.33", "0.67"]


def test_the_best_but_the_oracle_and_references_are_bold(tables: PaperTables) -> None:
    grid = table1(tables)
    assert bold(grid, 3) == {"zooter": "1.000"}
    assert bold(grid, 5) == dict.fromkeys(
        ["vicuna (same weights as llama)", "best single", "best per source", "zooter"], "8.000"
    )
    assert bold(grid, 8) == {"zooter": "1.00"}
    assert bold(table2(tables), len(table2(tables).columns) - 2) == {"distillation": "1.00"}


def test_a_ranking_by_the_grades_themselves_is_not_bold(tables: PaperTables) -> None:
    oracle = next(row for row in tables.table1 if row.kind == "oracle")
    copied = {name: getattr(oracle, name) for name in ("mean", "per_group", "mean_task_rank", "uplift")}
    rows = [row.model_copy(update=copied) if row.kind == "reward_ranking" else row for row in tables.table1]
    assert bold(table1(tables.model_copy(update={"table1": rows})), 8) == {"zooter": "1.00"}


def test_a_table_of_one_run_has_nothing_bold() -> None:
    assert table2(tables_of()).bold == frozenset()


def test_table_2_names_loss_beta_and_temperature(tables: PaperTables) -> None:
    assert [list(row[:4]) for row in table2(tables).rows] == [
        ["hard labels", "", "", "runs/hard"],
        ["distillation", "0.3", "0.5", "runs/best"],
    ]


def test_a_line_parts_the_sections(tables: PaperTables) -> None:
    grid = table1(tables)
    assert [grid.rows[number][0] for number in sorted(grid.section_ends)] == [
        "vicuna (same weights as llama)", "random", "zooter", "oracle"
    ]  # fmt: skip


def test_without_groups_there_is_one_group_of_columns() -> None:
    bare = [
        method.model_copy(
            update={"per_group": {}, "per_source": dict(zip("abc", method.per_source.values(), strict=True))}
        )
        for method in BEST.methods
    ]
    report = BEST.model_copy(update={"methods": bare, "sources": {"a": 1, "b": 2, "c": 1}})
    found = table1(tables_of(report, references={}))
    assert [(column.group, column.name) for column in found.columns[3:]] == [
        ("all (3)", "mean"), ("all (3)", "MTR"), ("all (3)", "uplift")
    ]  # fmt: skip


def test_markdown_keeps_its_columns_whatever_the_names_are() -> None:
    lines = as_markdown(HOSTILE).splitlines()
    assert lines[0] == r"## 100% of a\_b"
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines[2:]} == {5}
    assert lines[2] == r"| method | x\_y (2) mean | x\_y (2) MTR | uplift |"
    assert lines[5] == "| b | **0.700** | 2.00 |  |"


def test_latex_is_a_table_that_can_be_pasted() -> None:
    assert as_latex(HOSTILE).splitlines() == [
        "% 100% of a_b",
        r"% needs \usepackage{booktabs}",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"\multicolumn{1}{c}{} & \multicolumn{2}{c}{x\_y (2)} & \multicolumn{1}{c}{} \\",
        r"\cmidrule(lr){2-3}",
        r"method & mean & MTR & uplift \\",
        r"\midrule",
        r"{[}1] A\&B\textbar{}C\_1 \textasciitilde{}50\% \$x\textasciicircum{}2\$ \#\{\textbackslash{}\}"
        r"\textless{}i\textgreater{} & 0.500 & \textbf{1.00} & 0.5 \\",
        r"\midrule",
        r"b & \textbf{0.700} & 2.00 &  \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_the_terminal_shows_every_cell_as_it_is(tables: PaperTables) -> None:
    console = new_console(io.StringIO(), width=140)
    console.print(as_rich(HOSTILE), as_rich(table1(tables)))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    assert HOSTILE.rows[0][0] in printed
    assert all(text in printed for row in table1(tables).rows for text in row)
    assert "flask (2) mt_bench (1)" in printed
    assert re.search("mean  MTR +mean  MTR +mean  MTR uplift", printed), "figures of a group stand under its name"


def test_every_file_is_there_and_csv_holds_whole_numbers(tables: PaperTables) -> None:
    files = files_of(tables)
    assert set(files) == {
        "tables.md", "tables.json", "table1.csv", "table2.csv", "table1.tex", "table2.tex", "figure3.png", "figure3.csv"
    }  # fmt: skip
    assert PaperTables.model_validate_json(files["tables.json"]) == tables
    first, second = (list(csv.DictReader(io.StringIO(files[name].decode()))) for name in ("table1.csv", "table2.csv"))
    zooter = next(row for row in first if row["kind"] == "router")
    assert (zooter["ranker_parameters"], zooter["inference"], zooter["mean"]) == ("86000000", "13B", str(10 / 3))
    assert [(row["run"], row["beta"], row["mean_task_rank"]) for row in second] == [
        ("runs/hard", "", str(7 / 3)), ("runs/best", "0.3", "1.0")
    ]  # fmt: skip
    markdown = files["tables.md"].decode()
    assert "| zooter | 86M | 13B | **1.000** |" in markdown
    assert "Every method is ranked against the single experts." in markdown


def test_figure_3_is_drawn_per_group_and_has_its_numbers(tables: PaperTables) -> None:
    files = files_of(tables)
    picture = matplotlib.image.imread(io.BytesIO(files["figure3.png"]))
    assert picture.ndim == 3
    rows = list(csv.DictReader(io.StringIO(files["figure3.csv"].decode())))
    (flask,) = (row for row in rows if (row["group"], row["point"]) == ("flask", "mean"))
    # On law and arts llama, whom the reward model prefers, earns 1, 0 and 1, zooter 1, 1 and 1, vicuna 0, 1 and 0.
    assert [float(flask[name]) for name in ("value", "zooter", "best_single", "rows")] == pytest.approx(
        [2 / 3, 1, 1 / 3, 3]
    )


def lines_of(figure: Any) -> list[list[float]]:
    """Heights of the curves of the figure's first line: values, no gain, gain of reward ranking, gain of zooter."""
    left, right = figure.axes[:2]
    return [list(line.get_ydata()) for axes in (left, right) for line in axes.lines]


def test_figure_3_shows_what_choosing_gains(tables: PaperTables) -> None:
    values, _, ranking, zooter = lines_of(entropy_against_gain(tables.figure3, tables.value))
    assert values == pytest.approx([2 / 3])
    assert ranking == pytest.approx([1 / 3])
    assert zooter == pytest.approx([2 / 3])
    assert len(entropy_against_gain(BEST.entropy.model_copy(update={"per_group": {}}), "metric").axes) == 2
