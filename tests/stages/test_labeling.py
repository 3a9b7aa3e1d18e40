"""Outcomes joined and labels smoothed by map and reduce: the same as on one machine, and recomputed alone."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from zooter_ray import pipeline
from zooter_ray.artifacts import Unit, commit, make_unit, read_json, read_table, write_manifest
from zooter_ray.cli.main import main
from zooter_ray.config import RunConfig
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.errors import StageError
from zooter_ray.hashing import hash_fraction
from zooter_ray.labels import label_table
from zooter_ray.outcomes import Outcomes, read_outcomes
from zooter_ray.schemas import LABELS, OUTCOMES, OUTCOMES_FILE, QUERIES, REJECTED, RESPONSES, REWARDS, TAG_LABELS
from zooter_ray.stages import labeling
from zooter_ray.stages.labeling.joining import KNOWN, QUERY, join

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow]

EXPERTS = ["adder", "namer", "poet"]
MODELS = ["reference", "judge"]
ROWS = 60


@pytest.fixture(scope="module")
def given() -> np.ndarray:
    """Rewards (Q, R, M)."""
    drawn = np.random.default_rng(7)
    return np.stack([drawn.integers(0, 2, (ROWS, 3)).astype(float), drawn.normal(50, 10, (ROWS, 3))], axis=1)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("labeling"))


def finished(unit: Unit, rows: list[dict[str, Any]], schema: pa.Schema, keys: list[str]) -> Unit:
    """A complete unit of these rows in parts of 7."""
    for start in range(0, len(rows), 7):
        commit(unit.path, pa.Table.from_pylist(rows[start : start + 7], schema), keys)
    write_manifest(unit, len(rows), len(rows), {})
    return unit


@pytest.fixture(scope="module")
def inputs(given: np.ndarray, run_dir: str) -> dict[str, Any]:
    """Units of queries, of responses with two samples of the poet's, and of two reward models' rewards."""
    ids = [f"q{row:03}" for row in range(ROWS)]
    queries = [
        {"query_id": ids[row], "query": f"Query {row}", "source": "maths", "tags": [f"tag {row % 4}"] * (row % 3 > 0),
         "split": "eval" if row % 5 == 0 else "train"}
        for row in range(ROWS)
    ]  # fmt: skip
    keys = ["query_id", "sample"]
    made = {"queries": finished(make_unit(run_dir, "01_queries", "queries", {}), queries, QUERIES, ["query_id"])}
    responses, rewards = {}, {model: {} for model in MODELS}
    for m, expert in enumerate(EXPERTS):
        samples = [(row, sample) for row in range(ROWS) for sample in range(2 if expert == "poet" else 1)]
        told = [
            {"query_id": ids[row], "expert": expert, "sample": sample, "query": "", "response": "",
             "finish_reason": "stop", "prompt_tokens": 1, "generated_tokens": 10 * m + 2 * sample, "seconds": 0.1}
            for row, sample in samples
        ]  # fmt: skip
        responses[expert] = finished(make_unit(run_dir, "02_responses", expert, {}), told, RESPONSES, keys)
        for r, model in enumerate(MODELS):
            # The two samples of a response earn as much more as less than its mean.
            told = [
                {"query_id": ids[row], "expert": expert, "sample": sample, "reward_model": model,
                 "reward": given[row, r, m] + (sample - 0.5 if expert == "poet" else 0.0)}
                for row, sample in samples
                if not (model == "judge" and row == 8 and expert == "namer")
            ]  # fmt: skip
            unit = make_unit(run_dir, "03_rewards", f"{model}/{expert}", {})
            rewards[model][expert] = finished(unit, told, REWARDS, keys)
    return {**made, "responses": responses, "rewards": rewards}


def labels_of(
    inputs: dict[str, Any], run_dir: str, console: Console, reference: str | None = None, **settings: Any
) -> Unit:
    config = LabelingConfig(validation_share=0.2, **settings)
    return labeling.run(
        config, inputs["queries"], inputs["responses"], inputs["rewards"], reference, None, run_dir, console
    )[0]


def rows_of(labels: Unit) -> list[dict[str, Any]]:
    return read_table(labels.path, LABELS).sort_by("query_id").to_pylist()


def test_what_is_known_of_a_query_comes_together_in_one_row_with_samples_averaged(
    inputs: dict[str, Any], given: np.ndarray, run_dir: str, console: Console
) -> None:
    labels = labels_of(inputs, run_dir, console, reward_model="reference")
    rows = read_table(read_json(f"{labels.path}/manifest.json")["outcomes"], OUTCOMES).sort_by("query_id").to_pylist()
    assert [row["query_id"] for row in rows] == [f"q{row:03}" for row in range(ROWS)]
    assert (rows[4]["query"], rows[4]["tags"], rows[5]["split"]) == ("Query 4", ["tag 0"], "eval")
    expected_QRM = given.copy()
    expected_QRM[8, 1, 1] = np.nan  # the judge gave none
    np.testing.assert_allclose([row["rewards"] for row in rows], expected_QRM)
    assert rows[0]["costs"] == [0, 10, 21]  # 20 and 22 for the two samples


def test_labels_are_those_of_one_machine(
    inputs: dict[str, Any], given: np.ndarray, run_dir: str, console: Console
) -> None:
    labels = labels_of(inputs, run_dir, console, reward_model="judge", temperature=10.0)
    config = LabelingConfig(validation_share=0.2, reward_model="judge", temperature=10.0)
    rows = rows_of(labels)
    whole = np.arange(ROWS) != 8
    texts = ([row[name] for row in rows] for name in ("query_id", "query", "source", "tags"))
    splits = ["eval" if row["split"] == "eval" else "train" for row in rows]
    outcomes = Outcomes(EXPERTS, *texts, splits, given[whole, 1], None, None)
    expected = label_table(outcomes, config).to_pylist()
    np.testing.assert_allclose([row["label"] for row in rows], [row["label"] for row in expected])
    assert [row["split"] for row in rows] == [row["split"] for row in expected]


def test_a_query_without_a_reward_from_every_expert_is_rejected_with_the_expert(
    inputs: dict[str, Any], run_dir: str, console: Console
) -> None:
    labels = labels_of(inputs, run_dir, console, reward_model="judge", temperature=10.0)
    (rejected,) = read_table(labels.rejected, REJECTED).to_pylist()
    assert (rejected["query_id"], rejected["expert"], rejected["reason"]) == (
        "q008",
        "namer",
        "no reward of expert namer by judge",
    )
    manifest = read_json(f"{labels.path}/manifest.json")
    assert (manifest["rows_in"], manifest["rows_out"], manifest["dropped"]) == (
        60,
        59,
        {"no reward of expert namer by judge": 1},
    )


def test_other_settings_of_labels_touch_labels_alone(inputs: dict[str, Any], run_dir: str, console: Console) -> None:
    def files() -> dict[Path, int]:
        made = ("04_labels/labels", "04_labels/supervision")
        outside = [p for p in Path(run_dir).rglob("*") if p.is_file() and not any(name in str(p) for name in made)]
        return {path: path.stat().st_mtime_ns for path in outside}

    labels_of(inputs, run_dir, console, reward_model="reference")
    before = files()
    others = [{"beta": 0.0}, {"temperature": 0.1}]
    found = [labels_of(inputs, run_dir, console, reward_model="reference", **other) for other in others]
    found.append(labels_of(inputs, run_dir, console, reward_weights={"judge": 1.0, "reference": 1.0}))
    assert len({labels.path for labels in found}) == 3
    assert files() == before


def test_several_reward_models_are_standardised_over_training_rows_and_averaged(
    inputs: dict[str, Any], given: np.ndarray, run_dir: str, console: Console
) -> None:
    labels = labels_of(inputs, run_dir, console, reward_weights={"reference": 3.0, "judge": 1.0})
    rows = rows_of(labels)
    index = [int(row["query_id"][1:]) for row in rows]
    there_QRM = given.copy()
    there_QRM[8, 1, 1] = np.nan
    train = [i for i in range(ROWS) if i % 5 and hash_fraction(0, "validation", f"q{i:03}") >= 0.2]
    assert set(train) - {8} == {i for i, row in zip(index, rows, strict=True) if row["split"] == "train"}
    z_RQM = [(there_QRM[index, r] - np.nanmean(there_QRM[train, r])) / np.nanstd(there_QRM[train, r]) for r in range(2)]
    np.testing.assert_allclose([row["rewards"] for row in rows], (3 * z_RQM[0] + z_RQM[1]) / 4, rtol=1e-6)


def test_metrics_are_in_the_outcomes_file_where_every_row_has_them(
    inputs: dict[str, Any], given: np.ndarray, run_dir: str, console: Console
) -> None:
    labels = labels_of(inputs, run_dir, console, reference="reference", reward_model="judge")
    outcomes = read_outcomes(f"{labels.path}/outcomes.parquet", EXPERTS)
    assert outcomes.metrics_QM is not None
    np.testing.assert_allclose(outcomes.metrics_QM, np.delete(given[:, 0], 8, axis=0))
    assert set(outcomes.splits) == {"train", "eval"}
    labels = labels_of(inputs, run_dir, console, reference="judge", reward_model="reference")
    assert "labeling: 1 queries have no metric" in console.file.getvalue()  # type: ignore[attr-defined]
    assert read_outcomes(f"{labels.path}/outcomes.parquet", EXPERTS).metrics_QM is None


def test_without_the_tokens_of_every_response_the_outcomes_file_has_no_costs(
    inputs: dict[str, Any], run_dir: str, console: Console
) -> None:
    labels = labels_of(inputs, run_dir, console, reward_model="reference")
    assert read_outcomes(f"{labels.path}/{OUTCOMES_FILE}").costs_QM is not None
    told = read_table(inputs["responses"]["poet"].path, RESPONSES).to_pylist()
    second = next(row for row in told if row["query_id"] == "q001" and row["sample"] == 1)
    silent = [row if row is not second else row | {"generated_tokens": None} for row in told]
    responses = finished(make_unit(run_dir, "02_responses", "silent", {}), silent, RESPONSES, ["query_id", "sample"])
    inputs = {**inputs, "responses": {**inputs["responses"], "poet": responses}}
    without = labels_of(inputs, run_dir, console, reward_model="reference")
    assert read_outcomes(f"{without.path}/{OUTCOMES_FILE}").costs_QM is None
    assert "not every response has its tokens, so the report has no costs" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_tag_labels_are_kept_with_their_counts(inputs: dict[str, Any], run_dir: str, console: Console) -> None:
    labels = labels_of(inputs, run_dir, console, reward_model="judge", temperature=10.0)
    found = pq.read_table(f"{labels.path}/tags.parquet").cast(TAG_LABELS).to_pylist()
    learned = [row for row in rows_of(labels) if row["split"] == "train"]
    assert {tag["tag"]: tag["queries"] for tag in found} == {
        f"tag {t}": sum(f"tag {t}" in row["tags"] for row in learned) for t in range(4)
    }
    assert all(sum(tag["label"]) == pytest.approx(1) for tag in found)


def test_without_a_whole_row_there_is_nothing_to_learn_from(
    inputs: dict[str, Any], run_dir: str, console: Console
) -> None:
    bare = make_unit(run_dir, "03_rewards", "bare", {})
    write_manifest(bare, 0, 0, {})
    lacking = {**inputs, "rewards": {"bare": dict.fromkeys(EXPERTS, bare)}}
    with pytest.raises(StageError, match="no query has a reward of bare from every expert"):
        labels_of(lacking, run_dir, console)


def test_a_reward_model_that_is_added_beside_changes_no_label(
    inputs: dict[str, Any], run_dir: str, console: Console
) -> None:
    alone = {**inputs, "rewards": {"reference": inputs["rewards"]["reference"]}}
    assert labels_of(alone, run_dir, console) == labels_of(inputs, run_dir, console, reward_model="reference")
    assert labels_of(alone, run_dir, console).path != labels_of(inputs, run_dir, console, reward_model="judge").path


def test_means_do_not_depend_on_the_order_in_which_samples_come() -> None:
    values = [0.1, 0.2, 0.3]  # added up in another order, their sum is another float
    told = {"query_id": ["q"] * 3, "expert": ["poet"] * 3, "what": pa.array([0] * 3, pa.int32())}
    query = {"query_id": "q", "query": "?", "source": "maths", "tags": [], "split": "train", "what": QUERY}
    rewards = [
        join(pa.concat_tables([pa.Table.from_pylist([query], KNOWN), pa.table({**told, "value": order})],
                              promote_options="default"), ["poet"], 1)["rewards"].to_pylist()
        for order in (values, values[::-1])
    ]  # fmt: skip
    assert rewards[0] == rewards[1]


def test_labels_may_be_smoothed_over_the_tags_of_another_tagger_and_inspected(
    settings: dict[str, Any], queries_file: Path, console: Console, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in queries_file.read_text().splitlines()]
    queries_file.write_text("".join(json.dumps(row | {"tags": ["Ours"]}) + "\n" for row in rows))
    settings["queries"]["sources"][0]["tags_column"] = "tags"
    first = pipeline.run(RunConfig.model_validate(settings), console, until="labeling")
    settings["labeling"] |= {"tagger": {"kind": "column"}, "source_as_tag": True}
    again = pipeline.run(RunConfig.model_validate(settings), console, until="labeling")
    assert again.paths["queries"] == first.paths["queries"]
    tags = [
        {tag for row in read_table(result.paths["labeling"], LABELS).to_pylist() for tag in row["tags"]}
        for result in (first, again)
    ]
    assert "ours" not in tags[0]
    assert len(tags[0]) > 0
    assert tags[1] == {"ours"}

    assert main(["labels", "inspect", "sums/004", "--run", settings["run_dir"]]) == 0
    shown = capfd.readouterr().out
    assert "What is 4 plus 4?" in shown
    assert re.search(r"reward: reference +1\.000 +0\.000", shown)
    assert re.search(r"sample label \(T = 0\.5\) +0\.881 +0\.119", shown)  # e^2 / (1 + e^2)
    found = {tag["tag"]: tag for tag in pq.read_table(f"{again.paths['labeling']}/tags.parquet").to_pylist()}
    assert found.keys() == {"ours", "source sums", "source names"}
    for name in ("ours", "source sums"):
        a, b = found[name]["label"]
        assert re.search(rf"tag label: {name} \({found[name]['queries']} training queries\) +{a:.3f} +{b:.3f}", shown)
    a, b = np.mean([found["ours"]["label"], found["source sums"]["label"]], axis=0)
    final = [0.3 * s + 0.7 * t for s, t in zip((0.8808, 0.1192), (a, b), strict=True)]
    assert re.search(rf"label \(beta = 0\.3\) +{final[0]:.3f} +{final[1]:.3f}", shown)


def test_smoothed_rewards_are_inspected_and_a_run_of_one_source_has_no_tag_of_it(
    settings: dict[str, Any], queries_file: Path, console: Console, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in queries_file.read_text().splitlines()]
    sums = [
        row | {"tags": ["odd" if number % 2 else "even"]} for number, row in enumerate(rows) if row["kind"] == "sums"
    ]
    queries_file.write_text("".join(json.dumps(row) + "\n" for row in sums))
    settings["queries"]["sources"][0]["tags_column"] = "tags"
    settings["labeling"] |= {"tagger": {"kind": "column"}, "smooth": "rewards", "source_as_tag": True}
    result = pipeline.run(RunConfig.model_validate(settings), console, until="labeling")
    found = {tag["tag"]: tag for tag in pq.read_table(f"{result.paths['labeling']}/tags.parquet").to_pylist()}
    assert found.keys() == {"odd", "even"}

    assert main(["labels", "inspect", "sums/004", "--run", settings["run_dir"]]) == 0
    shown = capfd.readouterr().out
    assert re.search(rf"mean reward: even \({found['even']['queries']} training queries\) +1\.000 +0\.000", shown)
    assert re.search(r"label \(beta = 0\.3, T = 0\.5\) +0\.881 +0\.119", shown)  # both mix to (1, 0): e^2 / (1 + e^2)
    assert "sample label (T" not in shown
    assert "source sums (" not in shown


def test_a_query_that_cannot_be_inspected_is_told_in_one_sentence(
    settings: dict[str, Any], console: Console, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pipeline.run(RunConfig.model_validate(settings), console, until="labeling")
    moved = tmp_path / "elsewhere"
    Path(settings["run_dir"]).rename(moved)
    assert main(["labels", "inspect", "sums/004", "--run", str(moved)]) == 0
    assert main(["labels", "inspect", "sums/04", "--run", str(moved)]) == 2
    assert "the run has no query 'sums/04'; its ids look like sums/0" in capfd.readouterr().err
    assert main(["labels", "inspect", "sums/004", "--run", f"{moved}/x"]) == 2
    assert "holds no run that has come to its labels" in capfd.readouterr().err
