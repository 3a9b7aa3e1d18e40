"""Pair rankers and judges over a pool: complete, exactly once, and cheap to extend."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from tests import tiny_models
from tests.stages.endpoint import Endpoint, serving
from zooter_ray.artifacts import Unit, commit, make_unit, parts, read_manifest, read_table, remove, write_manifest
from zooter_ray.config.resources import StageResources
from zooter_ray.config.scoring import GenerativeReward, PairRankerReward, ScoringConfig, SequenceClassificationReward
from zooter_ray.rewards import Match, load_pair_ranker
from zooter_ray.rewards.comparisons import aggregate
from zooter_ray.rewards.generative import UNREADABLE
from zooter_ray.schemas import COMPARISONS, REJECTED, RESPONSES, REWARDS
from zooter_ray.stages import scoring

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow]

QUERIES = [f"How many apples are in {number} baskets?" for number in range(9)]


def answer(expert: str, row: int, sample: int) -> str:
    return f"{expert} says a red apple, {sample} of {row}" * (1 + row % 3)


def responses_of(run_dir: str, expert: str, samples: int = 1, missing: tuple[int, ...] = ()) -> Unit:
    """A complete unit of an expert's responses."""
    unit = make_unit(run_dir, "02_responses", expert, {"samples": samples, "missing": missing})
    rows = [
        {"query_id": f"q{row}", "expert": expert, "sample": sample, "query": query, "finish_reason": "stop",
         "response": answer(expert, row, sample), "prompt_tokens": 3, "generated_tokens": 4, "seconds": 0.1}
        for row, query in enumerate(QUERIES) if row not in missing
        for sample in range(samples)
    ]  # fmt: skip
    for start in range(0, len(rows), 4):
        commit(unit.path, pa.Table.from_pylist(rows[start : start + 4], RESPONSES), ["query_id", "sample"])
    write_manifest(unit, len(QUERIES) * samples, len(rows), {})
    return unit


def pool(run_dir: str, *experts: str) -> dict[str, Unit]:
    return {expert: responses_of(run_dir, expert) for expert in experts}


def rewards_of(unit: Unit) -> dict[tuple[str, int], float]:
    return {(row["query_id"], row["sample"]): row["reward"] for row in read_table(unit.path, REWARDS).to_pylist()}


# Pair rankers


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> PairRankerReward:
    source = tiny_models.save_pair_ranker(tmp_path_factory.mktemp("ranker"))
    return PairRankerReward(id="pairrm", source=str(source), resources=StageResources(num_cpus=0.5, num_gpus=0.5))


def test_rewards_are_the_mean_margin_over_the_pool_sample_by_sample(
    ranker: PairRankerReward, tmp_path: Path, console: Console
) -> None:
    run_dir, experts = str(tmp_path), ["poet", "adder", "namer"]
    samples = {"poet": 1, "adder": 3, "namer": 1}
    responses = {expert: responses_of(run_dir, expert, samples[expert]) for expert in ("poet", "adder")}
    responses["namer"] = responses_of(run_dir, "namer", missing=(2, 5))
    found = scoring.run(ScoringConfig(reward_models=[ranker], block_rows=5), responses, run_dir, console)["pairrm"]
    rewards = {expert: rewards_of(unit) for expert, unit in found.items()}
    model = load_pair_ranker(ranker)
    for row, sample in ((0, 0), (4, 0), (4, 2), (8, 1)):
        # An expert with fewer samples is compared by its last one.
        texts = [answer(expert, row, min(sample, samples[expert] - 1)) for expert in experts]
        compared_MM = np.array(
            [[model([Match(QUERIES[row], one, other)])[0].reward for other in texts] for one in texts]
        )
        (expected_M,) = aggregate(compared_MM[None])
        for expert, expected in zip(experts, expected_M, strict=True):
            if sample < samples[expert]:
                assert rewards[expert][(f"q{row}", sample)] == pytest.approx(expected, abs=1e-5)

    # What the namer did not answer cannot be compared with it.
    assert {expert: len(theirs) for expert, theirs in rewards.items()} == {"poet": 7, "adder": 21, "namer": 7}
    rejected = read_table(found["poet"].rejected, REJECTED).to_pylist()
    reason = "no comparison with expert namer"
    assert {row["query_id"]: row["reason"] for row in rejected} == {"q2": reason, "q5": reason}
    assert read_manifest(found["adder"])["dropped"] == {reason: 6}


def test_another_expert_adds_its_pairs_and_no_others(
    ranker: PairRankerReward, tmp_path: Path, console: Console
) -> None:
    config = ScoringConfig(reward_models=[ranker])
    run_dir = str(tmp_path)

    def pairs() -> dict[str, int]:
        found = (tmp_path / "03_rewards").glob("pairrm/*~*/*/*.parquet")
        return {path.parts[-3]: path.stat().st_mtime_ns for path in found}

    two = scoring.run(config, pool(run_dir, "adder", "namer"), run_dir, console)["pairrm"]
    before = pairs()
    three = scoring.run(config, pool(run_dir, "adder", "namer", "poet"), run_dir, console)["pairrm"]
    assert set(before) == {"adder~namer"}
    assert set(pairs()) == {"adder~namer", "adder~poet", "namer~poet"}
    assert pairs()["adder~namer"] == before["adder~namer"]
    # With two experts a reward is half of the margin of the one pair.
    (pair,) = (tmp_path / "03_rewards/pairrm/adder~namer").iterdir()
    margins = {
        row["query_id"]: row["forward"] - row["backward"] for row in read_table(str(pair), COMPARISONS).to_pylist()
    }
    assert {key[0]: reward * 2 for key, reward in rewards_of(two["adder"]).items()} == pytest.approx(margins)
    assert rewards_of(two["adder"]) == pytest.approx({key: -r for key, r in rewards_of(two["namer"]).items()})
    assert rewards_of(three["adder"]) != rewards_of(two["adder"])
    dropped = scoring.run(config, pool(run_dir, "adder", "namer"), run_dir, console)["pairrm"]
    assert dropped == two


def test_interrupted_comparisons_go_on_where_they_stopped(
    ranker: PairRankerReward, tmp_path: Path, console: Console
) -> None:
    run_dir, config = str(tmp_path), ScoringConfig(reward_models=[ranker], block_rows=3)
    responses = pool(run_dir, "adder", "namer")
    first = scoring.run(config, responses, run_dir, console)["pairrm"]
    whole = {expert: rewards_of(unit) for expert, unit in first.items()}
    (pair,) = (tmp_path / "03_rewards/pairrm/adder~namer").iterdir()
    kept, gone, *_ = parts(str(pair))
    Path(gone).unlink()
    (pair / "manifest.json").unlink()
    for unit in first.values():
        remove(unit)
    before = Path(kept).stat().st_mtime_ns
    again = scoring.run(config, responses, run_dir, console)["pairrm"]
    assert {expert: rewards_of(unit) for expert, unit in again.items()} == {
        expert: pytest.approx(rewards) for expert, rewards in whole.items()
    }
    assert Path(kept).stat().st_mtime_ns == before


def test_a_reward_model_on_a_gpu_takes_blocks_as_on_a_cpu(tmp_path: Path, console: Console) -> None:
    source = tiny_models.save_deberta(tmp_path / "deberta")
    models = [
        SequenceClassificationReward(id=name, source=str(source), resources=StageResources(num_cpus=0.5, num_gpus=gpus))
        for name, gpus in (("on-gpu", 0.5), ("on-cpu", 0.0))
    ]
    config = ScoringConfig(reward_models=models, block_rows=4)
    found = scoring.run(config, pool(str(tmp_path), "adder", "namer"), str(tmp_path), console)
    assert rewards_of(found["on-gpu"]["adder"]) == pytest.approx(rewards_of(found["on-cpu"]["adder"]), abs=1e-5)
    assert len(parts(found["on-gpu"]["adder"].path)) >= 2


# Judges


def rate(asked: str, tries: int) -> str:
    """Rates `poet` 9 and others 4; forgets the rating at first for `3 baskets`, and always for `5 baskets`."""
    forgets = "5 baskets" in asked or ("3 baskets" in asked and tries == 1)
    return "I see. hm" if forgets else f"I see. Rating: [[{9 if 'poet' in asked else 4}]]"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(rate) as server:
        yield server


def judge_of(endpoint: Endpoint) -> GenerativeReward:
    engine = {"kind": "http", "base_url": endpoint.base_url, "served_name": "m"}
    return GenerativeReward(id="judge", engine=engine, attempts=3, block_rows=4)


def test_a_judge_behind_an_endpoint_rates_every_response_and_is_asked_again_where_it_forgot(
    endpoint: Endpoint, tmp_path: Path, console: Console
) -> None:
    config = ScoringConfig(reward_models=[judge_of(endpoint)])
    found = scoring.run(config, pool(str(tmp_path), "adder", "poet"), str(tmp_path), console)["judge"]
    assert rewards_of(found["adder"]) == {(f"q{row}", 0): 4.0 for row in range(9) if row != 5}
    assert rewards_of(found["poet"]) == {(f"q{row}", 0): 9.0 for row in range(9) if row != 5}
    (rejected,) = read_table(found["poet"].rejected, REJECTED).to_pylist()
    assert (rejected["query_id"], rejected["reason"], rejected["detail"]) == ("q5", UNREADABLE, "I see. hm")
    assert read_manifest(found["poet"])["dropped"] == {UNREADABLE: 1}
    times = {asked: count for asked, count in endpoint.tries.items() if count > 1}
    assert sorted(times.values()) == [2, 2, 3, 3]  # forgotten once by both experts, for ever by both
    assert {
        body["temperature"] for body in endpoint.bodies if endpoint.tries[body["messages"][-1]["content"]] == 1
    } == {0.0}
    assert {body["temperature"] for body in endpoint.bodies} == {0.0, 0.7}
    assert len({body.get("seed") for body in endpoint.bodies}) == 3


def test_a_judge_that_is_done_is_asked_nothing_more_and_another_expert_only_about_itself(
    endpoint: Endpoint, tmp_path: Path, console: Console
) -> None:
    config = ScoringConfig(reward_models=[judge_of(endpoint)])
    scoring.run(config, pool(str(tmp_path), "adder", "poet"), str(tmp_path), console)
    endpoint.bodies.clear()
    scoring.run(config, pool(str(tmp_path), "adder", "poet"), str(tmp_path), console)
    assert endpoint.bodies == []
    scoring.run(config, pool(str(tmp_path), "adder", "poet", "namer"), str(tmp_path), console)
    assert all("namer says" in body["messages"][-1]["content"] for body in endpoint.bodies)
    assert len(endpoint.bodies) == 9 + 2 + 1  # two that forgot at first, one of them for ever
