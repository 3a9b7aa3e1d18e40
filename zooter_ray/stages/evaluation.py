"""Stage 6, evaluation: router and held-out outcomes -> the report: JSON, Markdown, one HTML page, plots and CSV."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from rich.console import Console

from zooter_ray.artifacts import (
    MANIFEST,
    Unit,
    file_system,
    is_complete,
    make_unit,
    parts,
    read_json,
    read_part,
    write_bytes,
    write_manifest,
)
from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.embedding import Embedder
from zooter_ray.errors import ArtifactError, ConfigError, StageError
from zooter_ray.evaluation.cases import Responses, browsed_rows, lost_rows
from zooter_ray.evaluation.learned import Learned, learned_from_json
from zooter_ray.evaluation.neighbours import best_k, choose_by_neighbours
from zooter_ray.evaluation.rendering.markdown import markdown
from zooter_ray.evaluation.rendering.page import page
from zooter_ray.evaluation.rendering.plots import PLOTS, picture, plots_of
from zooter_ray.evaluation.rendering.tables import as_csv, tables_of
from zooter_ray.evaluation.report import Evidence, build_report
from zooter_ray.evaluation.schema import SCHEMA_VERSION, Report, RouterSettings, Supervision
from zooter_ray.outcomes import Outcomes, read_outcomes
from zooter_ray.progress import map_rows
from zooter_ray.router.directory import BASELINES_FILE, RouterCard, check_pool, read_baseline_arrays, read_card_of
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.schemas import OUTCOMES_FILE, RESPONSES, REWARDS, SUPERVISION_FILE
from zooter_ray.stages.blocks import pivot
from zooter_ray.timing import Stopwatch

STAGE = "06_evaluation"


def unit(config: EvaluationConfig, router: Unit, rewards: Mapping[str, Mapping[str, Unit]], run_dir: str) -> Unit:
    """The one unit of this stage."""
    inputs = [router, *(unit for units in rewards.values() for unit in units.values())]
    others = [read_card_of(directory).to_json() for directory in [*config.other_routers, *hard_label_routers(router)]]
    settings = {**config.identity(), "other_routers": others, "report_version": SCHEMA_VERSION}
    return make_unit(run_dir, STAGE, "report", settings, inputs)


def hard_label_routers(router: Unit) -> list[str]:
    """Routers of hard labels that the run has distilled from the same labels beside this one."""
    fs, beside = file_system(posixpath.dirname(router.path))
    names = sorted(map(posixpath.basename, fs.ls(beside, detail=False))) if fs.exists(beside) else []
    found = [posixpath.join(posixpath.dirname(router.path), name) for name in names if name != router.fingerprint]
    return [directory for directory in found if _is_of_hard_labels(directory, router)]


def _is_of_hard_labels(directory: str, router: Unit) -> bool:
    """Whether a directory is a complete router unit of hard labels, made from the same labels as `router`."""
    fs, inner = file_system(posixpath.join(directory, MANIFEST))
    if not fs.exists(inner):
        return False
    manifest = read_json(posixpath.join(directory, MANIFEST))
    return manifest["settings"]["loss"] == "hard_label" and tuple(manifest["inputs"]) == tuple(router.inputs)


def run(
    config: EvaluationConfig,
    router: Unit,
    labels: Unit,
    supervision: Unit,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Mapping[str, Unit]],
    label_reward_model: str,
    shown: Mapping[str, str],
    run_dir: str,
    console: Console,
) -> Unit:
    """Evaluate the router on the outcomes whose split is `eval`, if the unit is not complete.

    Args:
        config: settings of the evaluation.
        router: the router directory.
        labels: unit of the labels, with the outcomes of every query of the run.
        supervision: what the reward models say of the training rows.
        responses: units of the responses by expert, for the cases.
        rewards: units of the rewards by reward model and expert, for reward model ranking.
        label_reward_model: the one of them whose rewards were distilled.
        shown: how expert ids are shown.
        run_dir: where the run lives.
        console: where progress is shown.

    Raises:
        StageError: if no row is held out.
    """
    report = unit(config, router, rewards, run_dir)
    if is_complete(report):
        return report
    watch = Stopwatch()
    config = config.model_copy(update={"other_routers": [*config.other_routers, *hard_label_routers(router)]})
    predictor = RouterPredictor(router.path)
    outcomes = read_outcomes(posixpath.join(labels.path, OUTCOMES_FILE), predictor.experts)
    told = Supervision.model_validate(read_json(posixpath.join(supervision.path, SUPERVISION_FILE)))
    held_out = outcomes.rows(np.array([split == "eval" for split in outcomes.splits]))
    if not held_out.query_ids:
        raise StageError("no query is held out for evaluation; set queries.eval_share or a source's split_column")
    learned = learned_left(router.path, predictor.card, console)
    ranked = dict(rankings(rewards, held_out, label_reward_model, console))
    evaluate(
        config, predictor, held_out, learned, shown, ranked, responses, report.path, console, label_reward_model,
        supervision=told,
    )  # fmt: skip
    write_manifest(report, len(outcomes.query_ids), len(held_out.query_ids), {})
    watch.add(len(held_out.query_ids))
    watch.write([report])
    return report


def evaluate(
    config: EvaluationConfig,
    predictor: RouterPredictor,
    outcomes: Outcomes,
    learned: Learned,
    shown: Mapping[str, str],
    reward_models: Mapping[str, np.ndarray],
    responses: Mapping[str, Unit],
    output: str,
    console: Console,
    label_reward_model: str = "rewards",
    supervision: Supervision | None = None,
) -> None:
    """Write the report on these rows into the directory `output`."""
    probabilities_QM = map_rows(predictor, outcomes.queries, "evaluation", console)
    browsed = browsed_rows(outcomes, config.browsed_cases, config.seed)
    lost = lost_rows(outcomes, probabilities_QM, config.lost_cases)
    evidence = Evidence(
        outcomes=outcomes,
        probabilities_QM=probabilities_QM,
        learned=learned,
        shown=shown,
        router=settings_of(predictor),
        label_reward_model=label_reward_model,
        standardised=bool(predictor.card.labeling.get("standardise")),
        neighbours_Q=neighbours(config, learned, outcomes.queries, console),
        reward_models=reward_models,
        other_routers=dict(other_routers(config, outcomes, console)),
        responses=outcomes.responses or responses_of(responses, {outcomes.query_ids[row] for row in (*browsed, *lost)}),
        browsed=browsed,
        lost=lost,
        seen=learned.rows_seen(outcomes.queries),
        supervision=supervision,
    )
    write_report(build_report(evidence, config), output)


def settings_of(predictor: RouterPredictor) -> RouterSettings:
    """What the report says of the router."""
    card = predictor.card
    return RouterSettings(
        loss=card.loss,
        beta=card.labeling.get("beta", card.beta),
        used_beta=card.beta,
        temperature=card.temperature,
        parameters=card.parameters,
    )


def learned_left(router: str, card: RouterCard, console: Console, is_all: bool = True) -> Learned:
    """What distillation left with a router for the baselines.

    Where the file of arrays is not with it, it is told what that takes from the report, if this is all there is.

    Raises:
        ArtifactError: if the file is damaged.
    """
    path, arrays = posixpath.join(router, BASELINES_FILE), read_baseline_arrays(router)
    if arrays is None and is_all:
        told = (
            f"{path} is missing, so there is no baseline of nearest neighbours, and training queries are not known "
            "again; it is made beside the router and belongs with it"
        )
        console.print(told, highlight=False, soft_wrap=True)
    try:
        return learned_from_json(card.baselines, arrays)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}; copy it anew from where the router was distilled") from None


def neighbours(
    config: EvaluationConfig, learned: Learned, queries: Sequence[str], console: Console
) -> np.ndarray | None:
    """Choices (Q,) of the nearest-neighbour baseline; None where no embeddings were learned, or none can be made."""
    if learned.embeddings_QD is None or learned.value_QM is None:
        return None
    embed = embedder_of(learned, console)
    if embed is None:
        return None
    k = config.neighbours or best_k(learned.embeddings_QD, learned.value_QM, config.seed)
    embeddings_QD = map_rows(embed, queries, "embedding", console)
    return choose_by_neighbours(embeddings_QD, learned.embeddings_QD, learned.value_QM, k)


def embedder_of(learned: Learned, console: Console) -> Embedder | None:
    """What neighbours are compared by; None, which is told, where it is not on this machine."""
    if learned.embedder is None:
        return None
    try:
        return Embedder(learned.embedder, learned.embedder_length)
    except ConfigError as error:
        console.print(f"nearest neighbours are left out: {error}", highlight=False, soft_wrap=True)
        return None


def other_routers(config: EvaluationConfig, outcomes: Outcomes, console: Console) -> Iterator[tuple[str, np.ndarray]]:
    """Name and choices (Q,) of the other routers that are compared; one of hard labels is named so."""
    for number, directory in enumerate(config.other_routers, start=1):
        predictor = RouterPredictor(directory)
        check_pool(predictor.card, outcomes.experts, directory, "the outcomes")
        kind = "hard-label router" if predictor.card.loss == "hard_label" else "router"
        name = kind if len(config.other_routers) == 1 else f"{kind} {number}"
        chosen_Q = map_rows(predictor, outcomes.queries, name, console).argmax(axis=1)
        yield name, np.array([outcomes.experts.index(predictor.experts[choice]) for choice in chosen_Q])


def rankings(
    rewards: Mapping[str, Mapping[str, Unit]], outcomes: Outcomes, label_reward_model: str, console: Console
) -> Iterator[tuple[str, np.ndarray]]:
    """Rewards (Q, M) of each reward model for these rows, samples averaged; -inf where it gave none to an expert.

    Left out: a reward model that gave no reward at all on some row, and, where the report goes by rewards, the one
    whose rewards they are, since it would be the oracle.
    """
    for name, units in rewards.items():
        if name == label_reward_model and outcomes.metrics_QM is None:
            continue
        rewards_QM = pivot(outcomes.query_ids, [units[expert] for expert in outcomes.experts], REWARDS, "reward")
        if missing := int(np.isnan(rewards_QM).all(axis=1).sum()):
            console.print(f"evaluation: no reward ranking by {name}, which lacks {missing} rows", highlight=False)
        else:
            yield name, np.nan_to_num(rewards_QM, nan=-np.inf)


def responses_of(units: Mapping[str, Unit], query_ids: set[str]) -> Responses:
    """Texts of these queries' first samples by query and expert, read part by part."""
    found: dict[str, dict[str, str]] = {}
    for expert, expert_unit in units.items():
        for part in parts(expert_unit.path):
            rows = read_part(part, RESPONSES, ["query_id", "sample", "response"]).to_pylist()
            for row in rows:
                if row["query_id"] in query_ids and row["sample"] == 0:
                    found.setdefault(row["query_id"], {})[expert] = row["response"]
    return found


def write_report(report: Report, output: str) -> None:
    """Write report.json, report.md, report.html, and a PNG and a CSV of every plot; those of an older report go."""
    figures = plots_of(report)
    files = {
        "report.json": (report.model_dump_json(indent=2) + "\n").encode(),
        "report.md": markdown(report).encode(),
        "report.html": page(report, figures).encode(),
        **{f"{name}.png": picture(figure, "png") for name, figure in figures.items()},
        **{f"{name}.csv": as_csv(table) for name, table in tables_of(report).items()},
    }
    for name, content in files.items():
        write_bytes(posixpath.join(output, name), content)
    fs, directory = file_system(output)
    possible = {f"{name}.{kind}" for name in (*PLOTS, "reward_agreement") for kind in ("png", "csv")}
    for stale in possible - set(files):
        if fs.exists(path := posixpath.join(directory, stale)):
            fs.rm_file(path)
