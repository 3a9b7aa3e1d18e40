"""The report as one HTML page that needs nothing beside it: styles and plots are inside, scripts there are none."""

import base64
from collections.abc import Mapping
from itertools import groupby

import jinja2
from matplotlib.figure import Figure

from zooter_ray.evaluation.rendering.plots import PLOTS, picture
from zooter_ray.evaluation.rendering.tables import amount
from zooter_ray.evaluation.rendering.terminal import rewards_sentence, summary
from zooter_ray.evaluation.schema import Case, Report


def page(report: Report, figures: Mapping[str, Figure]) -> str:
    """The whole page. Queries and responses are escaped: they are other people's text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("zooter_ray.evaluation.rendering", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(
        report=report,
        amount=amount,
        summary=summary(report),
        rewards_say=None if report.supervision is None else rewards_sentence(report.supervision),
        plots=[(name, PLOTS[name][1], data_uri(figure)) for name, figure in figures.items()],
        cases_by_source=[(source, list(cases)) for source, cases in groupby(report.cases, key=_source)],
        zooter=report.of_kind("router"),
        oracle=report.of_kind("oracle"),
        single=report.named("best single"),
        headline=report.verdicts["best single"],
    )


def _source(case: Case) -> str:
    return case.source


def data_uri(figure: Figure) -> str:
    """A figure as the address of an SVG picture; its letters are outlines, so no font is needed."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture(figure, "svg")).decode()
