"""Stage 4, labeling: queries, responses and rewards -> outcomes and their soft labels. Units, each complete alone:

outcomes      all that is known of a query in one row: every reward model's rewards, costs; depends on the whole pool
labels        the soft labels, the tag labels that smoothed them, and outcomes.parquet, which `zooter distill` reads
supervision   what the reward models say of the training rows: agreement and entropy

Settings of labels touch the last two alone, which takes seconds. Labels depend on the rewards that they use, so that
another reward model beside them changes no label and no router.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from zooter_ray.artifacts import Unit, commit, is_complete, make_unit, write_manifest, write_table
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.errors import DataError
from zooter_ray.labels import for_sources, label_table
from zooter_ray.outcomes import Outcomes, outcomes_table, read_outcomes, values
from zooter_ray.progress import track
from zooter_ray.stages.labeling import joining, smoothing
from zooter_ray.stages.labeling.rows import Pool
from zooter_ray.stages.labeling.tagging import with_tags

__all__ = ["STAGE", "run", "run_on_outcomes", "tag_file", "units"]

STAGE = "04_labels"


def units(
    config: LabelingConfig,
    queries: Unit,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Mapping[str, Unit]],
    reference: str | None,
    tags: Unit | None,
    run_dir: str,
) -> tuple[Unit, Unit, Unit]:
    """The units of outcomes, of labels and of supervision."""
    experts, rewards_of = list(responses), config.rewards_of or next(iter(rewards))
    known = [queries, *responses.values()]
    every_reward = [unit for by_expert in rewards.values() for unit in by_expert.values()]
    pool = {"experts": experts, "reward_models": list(rewards)}
    outcomes = make_unit(run_dir, STAGE, "outcomes", pool, [*known, *every_reward])
    names = [*(config.reward_weights or [rewards_of]), *([] if reference is None else [reference])]
    used = [unit for name in dict.fromkeys(names) for unit in rewards[name].values()]
    settings = {**config.identity(), "rewards_of": rewards_of, "reference": reference, "experts": experts}
    for name in ("reward_model", "tagger"):  # said by `rewards_of`, and by the input of tags
        del settings[name]
    labels = make_unit(run_dir, STAGE, "labels", settings, [*known, *used, *([] if tags is None else [tags])])
    return outcomes, labels, make_unit(run_dir, STAGE, "supervision", {}, [outcomes, labels])


def run(
    config: LabelingConfig,
    queries: Unit,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Mapping[str, Unit]],
    reference: str | None,
    tags: Unit | None,
    run_dir: str,
    console: Console,
) -> tuple[Unit, Unit]:
    """Make the units of this stage, if they are not complete; returns those of labels and of supervision.

    Args:
        config: settings of the labels.
        queries: unit of the queries.
        responses: units of the responses by expert, in pool order; their generated tokens become the costs.
        rewards: units of the rewards by reward model and expert.
        reference: the reward model whose rewards are the metrics, if the run has one.
        tags: unit of tags that are used instead of those of the queries.
        run_dir: where the run lives.
        console: where progress is shown.

    Raises:
        StageError: if no query has a reward from every expert.
    """
    outcomes, labels, supervision = units(config, queries, responses, rewards, reference, tags, run_dir)
    joining.run(queries, responses, rewards, outcomes, console)
    pool = Pool(tuple(responses), tuple(rewards), config.rewards_of or next(iter(rewards)), reference)
    smoothing.run(config, pool, outcomes, tags, labels, console)
    smoothing.supervise(config, pool, outcomes, tags, supervision)
    return labels, supervision


def run_on_outcomes(
    config: LabelingConfig, outcomes_path: str, run_dir: str, console: Console
) -> tuple[Unit, Outcomes]:
    """Label an outcomes file instead of a run's rewards; rows of its split `eval` are held out.

    Raises:
        DataError: for a bad file, or one whose rows are all held out.
    """
    outcomes = read_outcomes(outcomes_path)
    if "train" not in outcomes.splits:
        raise DataError(f"{outcomes_path}: the `split` of every row is eval, so there is nothing to learn from")
    config = for_sources(config, outcomes.sources)
    if config.prefer_metrics:
        outcomes = replace(outcomes, rewards_QM=values(outcomes))
    sink = pa.BufferOutputStream()
    pq.write_table(outcomes_table(outcomes), sink)
    names = (
        *("temperature", "beta", "beta_rows", "smooth", "source_as_tag", "prior_rows", "standardise"),
        *("validation_share", "seed"),
    )
    settings = {
        **{name: getattr(config, name) for name in names},
        "tagger": None if config.tagger is None else config.tagger.identity(),
        "outcomes": hashlib.sha256(sink.getvalue()).hexdigest(),
    }
    labels = make_unit(run_dir, STAGE, "labels", settings)
    if not is_complete(labels):
        table = label_table(with_tags(outcomes, config, console), config)
        track(_commit(table, labels), table.num_rows, "labeling", console)
        write_manifest(labels, len(outcomes.query_ids), table.num_rows, {}, {"experts": outcomes.experts})
    return labels, outcomes


def tag_file(outcomes_path: str, config: LabelingConfig, console: Console) -> None:
    """Give the queries of an outcomes file (Parquet) that nothing smooths their tags, once for all labels of them."""
    outcomes = read_outcomes(outcomes_path)
    tagged = with_tags(outcomes, for_sources(config, outcomes.sources), console)
    if tagged is not outcomes:
        write_table(outcomes_path, outcomes_table(tagged))


def _commit(table: pa.Table, labels: Unit, rows_per_file: int = 8192) -> Iterator[int]:
    for start in range(0, table.num_rows, rows_per_file):
        rows = table.slice(start, rows_per_file)
        commit(labels.path, rows, ["query_id"])
        yield rows.num_rows
