"""The report as people read it: terminal, Markdown, CSV, and the page in a real browser."""

import csv
import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.evaluation.benchmarks.outcomes import SubsetResult
from zooter_ray.evaluation.cases import lost_rows
from zooter_ray.evaluation.learned import TrainingRows, learn
from zooter_ray.evaluation.rendering.markdown import markdown
from zooter_ray.evaluation.rendering.page import page
from zooter_ray.evaluation.rendering.plots import picture, plots_of
from zooter_ray.evaluation.rendering.tables import amount, as_csv, tables_of
from zooter_ray.evaluation.rendering.terminal import method_table, source_table, subset_table, summary
from zooter_ray.evaluation.report import Evidence, build_report
from zooter_ray.evaluation.schema import Report, RouterSettings
from zooter_ray.outcomes import Outcomes
from zooter_ray.progress import new_console

EXPERTS = ["llama", "vicuna", "wizard"]
ROUTER = RouterSettings(loss="kl", beta=0.3, used_beta=0.3, temperature=0.5, parameters=86_000_000)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "<script>document.title='taken'</script> |pipe| =1+1 " + "x" * 400


def evidence(rows: int = 90, **changed: Any) -> Evidence:
    """Seeded outcomes in which every expert is good at one of three sources."""
    random = np.random.default_rng(0)
    sources = [["maths", "code", "facts"][row % 3] for row in range(rows)]
    good_QM = np.array([[source == "maths", source == "code", source == "facts"] for source in sources])
    metrics_QM = (random.random((rows, 3)) < np.where(good_QM, 0.8, 0.3)).astype(float)
    rewards_QM = metrics_QM + random.normal(0, 0.3, (rows, 3))
    content: dict[str, Any] = {
        "experts": EXPERTS,
        "query_ids": [f"q{row:03}" for row in range(rows)],
        "queries": [HOSTILE if row == 0 else f"Query {row} about {sources[row]}?" for row in range(rows)],
        "sources": sources,
        "tags": [[source, r"$5 or $\frac{10}$"] for source in sources],
        "splits": ["eval"] * rows,
        "rewards_QM": rewards_QM,
        "metrics_QM": metrics_QM,
        "costs_QM": random.integers(5, 60, (rows, 3)).astype(float),
        "responses": {f"q{row:03}": {expert: f"{HOSTILE if row == 0 else expert} says {row}" for expert in EXPERTS}
                      for row in range(rows)},
    }  # fmt: skip
    outcomes = Outcomes(**{**content, **changed})
    probabilities_QM = np.where(good_QM, 0.6, 0.2)
    learned = learn(TrainingRows(EXPERTS, outcomes.queries, sources, outcomes.tags, metrics_QM, "metric"))
    shown = {"llama": "llama", "vicuna": "vicuna (same weights as llama)", "wizard": "wizard"}
    return Evidence(
        outcomes, probabilities_QM, learned, shown, ROUTER, reward_models={"ultrarm": rewards_QM},
        responses=outcomes.responses, browsed=range(rows), lost=lost_rows(outcomes, probabilities_QM, 12),
    )  # fmt: skip


@pytest.fixture(scope="module")
def report() -> Report:
    return build_report(evidence(), EvaluationConfig(draws=200))


def shown(*printed: Any) -> str:
    console = new_console(io.StringIO(), width=100)
    for item in printed:
        console.print(item)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_terminal_shows_sources_and_methods(report: Report) -> None:
    text = shown(source_table(report), method_table(report))
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    zooter = report.of_kind("router")
    assert f"{zooter.per_source['maths']:.3f}" in lines["maths"]
    assert lines["zooter"][:3] == [f"{zooter.mean:.3f}", f"{zooter.mean_task_rank:.2f}", f"{zooter.uplift:.0%}"]
    assert all(name in text for name in ("random", "best per source", "reward ranking: ultrarm", "oracle"))
    assert "None" not in text


def test_the_best_of_each_source_but_the_oracles_is_bold(report: Report) -> None:
    columns = source_table(report).columns
    maths = next(row for row in zip(*(column.cells for column in columns), strict=True) if row[0] == "maths")
    bold = [cell.plain for cell in maths[1:] if cell.style == "bold"]  # type: ignore[union-attr]
    best = max(m.per_source["maths"] for m in report.methods if m.kind in ("random", "expert", "router"))
    assert bold
    assert set(bold) == {f"{best:.3f}"}


def test_a_grade_stands_below_its_expert_in_whatever_order_a_benchmark_has_them() -> None:
    results = [
        SubsetResult(source, expert, grade, graded=3, missing=0)
        for source, grades in {"gsm8k": {"llama": 0.1, "vicuna": 0.2}, "flask": {"vicuna": 0.9, "llama": 0.3}}.items()
        for expert, grade in grades.items()
    ]
    console = new_console(io.StringIO(), width=120)
    console.print(subset_table(results))
    lines = [line.split() for line in cast("io.StringIO", console.file).getvalue().splitlines()]
    assert ["gsm8k", "0.1000", "0.2000", "3"] in lines
    assert ["flask", "0.3000", "0.9000", "3"] in lines


def test_the_summary_is_in_sentences(report: Report) -> None:
    assert summary(report)[0].startswith("The best single expert, chosen on training data, is ")
    assert summary(report)[1:-1] == list(report.verdicts.values())
    assert summary(report)[-1].startswith("zooter closes ")


def test_markdown_holds_every_method_and_keeps_its_columns(report: Report) -> None:
    lines = markdown(report).splitlines()
    table = [line for line in lines if line.startswith("| ")]
    methods = table[: len(report.methods) + 1]
    assert {line.replace("\\|", "").count("|") for line in methods} == {methods[0].count("|")}
    assert any(line.startswith("| reward ranking: ultrarm |") for line in methods)
    assert all(f"- {verdict}" in lines for verdict in report.verdicts.values())
    lost = [line for line in lines if line.startswith("| Query ")]
    assert len(lost) == 12


def test_other_peoples_names_mean_nothing_in_markdown_or_on_the_terminal() -> None:
    names = {"maths": "qa[dev] :smile:", "code": "x[/y]", "facts": "![x](http://y) *b* `c`"}
    hostile = evidence()
    renamed = replace(hostile.outcomes, sources=[names[source] for source in hostile.outcomes.sources])
    report = build_report(replace(hostile, outcomes=renamed), EvaluationConfig(draws=100))
    assert all(name in shown(source_table(report)) for name in names.values())
    assert r"\!\[x\](http://y) \*b\* \`c\`" in markdown(report)


def test_every_plot_has_its_numbers_as_csv(report: Report) -> None:
    figures, tables = plots_of(report), tables_of(report)
    assert set(figures) == set(tables)
    for name, table in tables.items():
        rows = list(csv.reader(io.StringIO(as_csv(table).decode())))
        assert len(rows) > 1, name
        assert len({len(row) for row in rows}) == 1, name


def test_groups_of_sources_have_a_table() -> None:
    names = {"maths": "flask/maths", "code": "flask/code", "facts": "facts"}
    plain = evidence()
    renamed = replace(plain.outcomes, sources=[names[source] for source in plain.outcomes.sources])
    report = build_report(replace(plain, outcomes=renamed), EvaluationConfig(draws=100))
    table = markdown(report).split("## Per group")[1].split("##")[0]
    assert "| method | (no group) mean | (no group) MTR | flask mean | flask MTR |" in table
    zooter = report.of_kind("router").per_group["flask"]
    assert f"| {zooter.mean:.3f} | {zooter.mean_task_rank:.2f} |" in table
    assert "<h2>Per group</h2>" in page(report, {})


def test_csv_cells_are_no_formulas() -> None:
    assert as_csv((["a"], [["=1+1"], [-2.0]])) == b"a\n'=1+1\n-2.0\n"


def test_plots_are_pictures(report: Report) -> None:
    for figure in plots_of(report).values():
        assert picture(figure, "png").startswith(b"\x89PNG")
        assert b"<svg" in picture(figure, "svg")


@pytest.mark.parametrize(
    ("cost", "shown"), [(None, ""), (0.0, "0.0"), (28.34, "28.3"), (1234.5, "1234.5"), (0.00213, "0.0021")]
)
def test_a_cost_is_shown_in_any_unit(cost: float | None, shown: str) -> None:
    assert amount(cost) == shown


def test_without_costs_or_tags_their_plots_are_left_out() -> None:
    bare = evidence(costs_QM=None, tags=[[]] * 90)
    report = build_report(bare, EvaluationConfig(draws=100))
    assert set(plots_of(report)) == {"metric_per_source", "router_share", "calibration", "entropy_against_quality"}
    assert set(tables_of(report)) == set(plots_of(report))
    assert "None" not in page(report, plots_of(report))


def test_where_experts_never_differ_the_probabilities_are_not_judged() -> None:
    even = evidence(rewards_QM=np.ones((90, 3)), metrics_QM=None)
    report = build_report(even, EvaluationConfig(draws=100))
    assert report.calibration.expected_error is None
    assert "calibration" not in plots_of(report)
    assert "calibration" not in tables_of(report)
    assert "alibration" not in markdown(report)
    assert "None" not in page(report, plots_of(report))


def test_the_page_needs_nothing_beside_it(report: Report) -> None:
    text = page(report, plots_of(report))
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "<script" not in text, "what queries and responses say is escaped"
    assert "vicuna (same weights as llama)" in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        )
        yield browser
        browser.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_the_page_reads_well_on_a_desk_and_on_a_phone(
    report: Report, browser: Any, tmp_path: Path, width: int, height: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(report, plots_of(report)), encoding="utf-8")
    tab = browser.new_page(viewport={"width": width, "height": height})
    problems: list[str] = []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(path.as_uri())
    assert problems == []
    assert tab.title() == "What the router is worth"
    pictures = tab.evaluate("[...document.images].map(image => [image.complete, image.naturalWidth])")
    assert len(pictures) == len(plots_of(report))
    assert all(complete and wide > 0 for complete, wide in pictures)
    tab.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert tab.evaluate("document.scrollingElement.scrollWidth") <= width, "nothing sticks out sideways"
    assert HOSTILE in tab.inner_text("main"), "a query is shown as it is"
    tab.close()


def test_the_page_prints_with_its_cases(report: Report, browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(report, plots_of(report)), encoding="utf-8")
    tab = browser.new_page()
    tab.goto(path.as_uri())
    printed = tab.pdf(path=str(tmp_path / "report.pdf"))
    assert printed.startswith(b"%PDF")
    tab.emulate_media(media="print")
    assert tab.evaluate("document.querySelector('details.case:not([open]) table').getBoundingClientRect().height") > 0
    tab.close()
