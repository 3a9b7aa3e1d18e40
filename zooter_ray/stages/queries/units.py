"""The three units of the stage: what each one depends on."""

from zooter_ray.artifacts import Unit, make_unit
from zooter_ray.config.queries import QueriesConfig, Tagger
from zooter_ray.queries.instag import PROMPT
from zooter_ray.queries.rules import RULES
from zooter_ray.queries.sources import content_hash

STAGE = "01_queries"
MADE_BY = {"rules": RULES, "instagger": PROMPT}


def clean_unit(config: QueriesConfig, run_dir: str) -> Unit:
    """Sources, what they hold now, and what is taken out of them."""
    sources = [*config.sources, *config.decontamination.benchmarks]
    identity = config.identity()
    names = ("sources", "deduplication", "decontamination", "eval_share", "seed")
    settings = {name: identity[name] for name in names}
    contents = [content_hash(source, config.seed) for source in sources]
    return make_unit(run_dir, STAGE, "clean", {**settings, "contents": contents})


def tags_unit(config: QueriesConfig, clean: Unit, run_dir: str) -> Unit:
    """The tagger's settings, its rules or prompt included."""
    return _tags_unit(config.tagger, clean, run_dir)


def _tags_unit(tagger: Tagger, tagged: Unit, run_dir: str) -> Unit:
    return make_unit(run_dir, STAGE, "tags", {**tagger.identity(), "made_by": MADE_BY.get(tagger.kind)}, [tagged])


def retagged_unit(config: QueriesConfig, tagger: Tagger, tagged: Unit, run_dir: str) -> tuple[Unit, Unit]:
    """Other tags of some queries: as the tagger spells them, and normalised."""
    tags = _tags_unit(tagger, tagged, run_dir)
    return tags, make_unit(run_dir, STAGE, "retagged", config.tags.identity(), [tags])


def drawn_unit(config: QueriesConfig, run_dir: str, clean: Unit | None = None) -> Unit:
    """Normalisation and sampling, on top of the other two."""
    clean = clean or clean_unit(config, run_dir)
    identity = config.identity()
    settings = {name: identity[name] for name in ("tags", "per_tag", "limit", "seed")}
    return make_unit(run_dir, STAGE, "queries", settings, [clean, tags_unit(config, clean, run_dir)])
