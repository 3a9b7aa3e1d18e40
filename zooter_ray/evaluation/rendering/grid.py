"""A table whose best figures are bold, as Markdown, LaTeX, CSV and for the terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from zooter_ray.evaluation.rendering.markdown import cell

LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    "[": "{[}",  # after the end of a row it would be the space below it
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
}
ESCAPES = str.maketrans(LATEX)


@dataclass(frozen=True)
class Column:
    """A column: what stands over it, and over its neighbours of the same group."""

    name: str
    group: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Grid:
    """Cells as they are shown."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]]  # row, column
    section_ends: frozenset[int] = frozenset()  # rows below which there is a line


def as_markdown(grid: Grid) -> str:
    """A heading and a table."""
    header = [cell(f"{column.group} {column.name}".strip()) for column in grid.columns]
    marks = ["---" if column.is_text else "---:" for column in grid.columns]
    rows = [[f"**{cell(text)}**" if at in grid.bold else cell(text) for at, text in line] for line in _cells(grid)]
    lines = [f"| {' | '.join(line)} |" for line in [header, marks, *rows]]
    return "\n".join([f"## {cell(grid.title)}", "", *lines]) + "\n"


def as_latex(grid: Grid) -> str:
    """A tabular in the style of the package booktabs."""
    letters = "".join("l" if column.is_text else "r" for column in grid.columns)
    lines = [f"% {' '.join(grid.title.split())}", r"% needs \usepackage{booktabs}", f"\\begin{{tabular}}{{{letters}}}"]
    lines += [r"\toprule", *_latex_groups(grid.columns)]
    lines += [_latex_row([latex(column.name) for column in grid.columns]), r"\midrule"]
    for number, line in enumerate(_cells(grid)):
        cells = [(at in grid.bold, latex(text)) for at, text in line]
        lines.append(_latex_row([f"\\textbf{{{text}}}" if bold else text for bold, text in cells]))
        lines += [r"\midrule"] if number in grid.section_ends else []
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _latex_groups(columns: Sequence[Column]) -> list[str]:
    """The line above the header that names groups of columns, and the rules below it; none without groups."""
    cells, rules, start = [], [], 1
    for name, members in groupby(columns, key=lambda column: column.group):
        count = len(list(members))
        cells.append(f"\\multicolumn{{{count}}}{{c}}{{{latex(name)}}}")
        rules += [f"\\cmidrule(lr){{{start}-{start + count - 1}}}"] if name else []
        start += count
    return [_latex_row(cells), " ".join(rules)] if rules else []


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def latex(text: str) -> str:
    """A text in which nothing means anything to LaTeX."""
    return " ".join(text.split()).translate(ESCAPES)


def as_rich(grid: Grid) -> Table:
    """For the terminal; figures of one group share a column, so that its name has room."""
    table = Table(title=grid.title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    widths = [max(map(len, [column.name, *(row[at] for row in grid.rows)])) for at, column in enumerate(grid.columns)]
    spans = [list(members) for _, members in groupby(range(len(widths)), key=lambda at: grid.columns[at].group or at)]
    for span in spans:
        first = grid.columns[span[0]]
        names = first.name if first.is_text else " ".join(f"{grid.columns[at].name:>{widths[at]}}" for at in span)
        table.add_column(
            Text("\n".join(filter(None, [first.group, names]))),
            justify="left" if first.is_text else "right",
            overflow="fold",
            vertical="bottom",
            no_wrap=not first.is_text,
        )
    for number, line in enumerate(_cells(grid)):
        cells = [_joined([line[at] for at in span], [widths[at] for at in span], grid) for span in spans]
        table.add_row(*cells, end_section=number in grid.section_ends)
    return table


def _joined(cells: Sequence[tuple[tuple[int, int], str]], widths: Sequence[int], grid: Grid) -> Text:
    """Cells side by side, in columns of these widths; one alone as it is."""
    texts = [text if len(cells) == 1 else f"{text:>{width}}" for (_, text), width in zip(cells, widths, strict=True)]
    styles = ["bold" if at in grid.bold else "" for at, _ in cells]
    return Text(" ").join(Text(text, style=style) for text, style in zip(texts, styles, strict=True))


def _cells(grid: Grid) -> Iterator[list[tuple[tuple[int, int], str]]]:
    """The rows, every cell with its place."""
    for number, row in enumerate(grid.rows):
        yield [((number, place), text) for place, text in enumerate(row)]
