"""Stage 1, queries: DivInstruct, section 4.1. Three units, each complete on its own:

clean     every source's rows without duplicates and without benchmark samples; what goes lies in rejected/
tags      their tags, spelled as the tagger did
queries   the rows that were drawn, with normalised tags; vocabulary.parquet traces a tag to its spellings

Data flow through Ray Data from file to file; the driver holds counts.
"""

from rich.console import Console

from zooter_ray.artifacts import Unit
from zooter_ray.config.queries import QueriesConfig, Tagger
from zooter_ray.resources import Check, unchecked
from zooter_ray.stages.queries import cleaning, drawing, tagging
from zooter_ray.stages.queries.units import STAGE, clean_unit, drawn_unit, retagged_unit, tags_unit

__all__ = ["STAGE", "retag", "run", "unit"]


def unit(config: QueriesConfig, run_dir: str) -> Unit:
    """The unit that the next stage reads: it depends on the settings and on what the sources hold."""
    return drawn_unit(config, run_dir)


def run(config: QueriesConfig, run_dir: str, console: Console, check: Check = unchecked) -> Unit:
    """Make what is missing of the three units; returns the last one.

    Raises:
        ConfigError: if the tagger asks for what `check` says can never be had.
        DataError: for a row that cannot be used, or a query id that stands for two texts.
        StageError: if no query is left.
    """
    clean = clean_unit(config, run_dir)
    tags, drawn = tags_unit(config, clean, run_dir), drawn_unit(config, run_dir, clean)
    cleaning.run(config, clean, console)
    tagging.run(config.tagger, config.seed, clean, tags, console, check)
    drawing.run(config, clean, tags, drawn, console)
    return drawn


def retag(
    config: QueriesConfig, tagger: Tagger, drawn: Unit, run_dir: str, console: Console, check: Check = unchecked
) -> Unit:
    """Tag the drawn queries by another tagger; returns a unit of normalised tags.

    The tags that sources brought along are those of the clean queries: the drawn ones carry the first tagger's.
    """
    tagged = clean_unit(config, run_dir) if tagger.kind == "column" else drawn
    tags, retagged = retagged_unit(config, tagger, tagged, run_dir)
    tagging.run(tagger, config.seed, tagged, tags, console, check)
    drawing.retag(config.tags, tags, retagged)
    return retagged
