"""Experts as benchmarks ask them: once for each benchmark, each engine started once."""

from zooter_ray.artifacts import make_unit
from zooter_ray.config.benchmarks import GSM8K, Benchmark, Flask, JudgeConfig
from zooter_ray.config.generation import Decoding, DummyEngine, ExpertConfig, GenerationConfig
from zooter_ray.experts import engine_groups
from zooter_ray.stages import generation
from zooter_ray.stages.benchmarks.answering import experts_for
from zooter_ray.stages.benchmarks.judging import judge_for

DECODING = Decoding(temperature=0.7, max_tokens=64, seed=3)
POOL = GenerationConfig(
    experts=[
        ExpertConfig(id="brief", same_weights_as="llama", system_prompt="Be brief.", decoding=DECODING),
        ExpertConfig(id="llama", engine=DummyEngine(seed=1), decoding=DECODING, n=4),
        ExpertConfig(id="vicuna", engine=DummyEngine(seed=2), decoding=DECODING),
    ],
    block_rows=7,
)


def test_each_engine_answers_all_benchmarks_of_all_experts_that_share_it() -> None:
    pool = experts_for(POOL, [Flask(path="f"), GSM8K(path="g")])
    groups = [(engine.seed, [expert.id for expert in group]) for engine, group in engine_groups(pool)]  # type: ignore[union-attr]
    assert groups == [
        (1, ["brief/flask", "brief/gsm8k", "llama/flask", "llama/gsm8k"]),
        (2, ["vicuna/flask", "vicuna/gsm8k"]),
    ]
    assert pool.block_rows == 7


def test_an_expert_keeps_its_settings_but_for_what_the_benchmark_decides() -> None:
    pool = experts_for(POOL, [Flask(path="f", max_tokens=9), GSM8K(path="g")])
    brief = {expert.id: expert for expert in pool.experts if expert.id.startswith("brief")}
    assert brief["brief/flask"].decoding == Decoding(temperature=0.7, max_tokens=9, seed=3)
    assert brief["brief/gsm8k"].decoding == Decoding(temperature=0.0, max_tokens=64, seed=3)
    assert {expert.system_prompt for expert in brief.values()} == {"Be brief."}
    assert {expert.n for expert in pool.experts} == {1}


def test_the_judge_is_one_engine_however_much_it_is_asked_and_decodes_differently_the_second_time() -> None:
    judge = JudgeConfig(engine=DummyEngine(), retry_temperature=0.5)
    first, second = (judge_for(judge, POOL, ["judge/a/flask", "judge/b/flask"], attempt) for attempt in (0, 1))
    ((_, group),) = engine_groups(first)
    assert [expert.id for expert in group] == ["judge/a/flask", "judge/b/flask"]
    assert {expert.decoding.temperature for expert in first.experts} == {0.0}
    assert {(expert.decoding.temperature, expert.decoding.seed) for expert in second.experts} == {(0.5, 1000)}


def fingerprints(pool: GenerationConfig, *benchmarks: Benchmark) -> dict[str, str]:
    asked = {
        f"{expert.id}/{one.kind}": make_unit("run", "01_conversations", one.kind, {})
        for expert in pool.experts
        for one in benchmarks
    }
    return {
        key: unit.fingerprint for key, unit in generation.units(experts_for(pool, benchmarks), asked, "run").items()
    }


def test_a_benchmark_or_an_expert_that_is_added_leaves_the_units_of_the_others_as_they_are() -> None:
    flask, gsm8k = Flask(path="f"), GSM8K(path="g")
    every = fingerprints(POOL, flask, gsm8k)
    assert len(set(every.values())) == 6
    assert fingerprints(POOL, gsm8k).items() <= every.items()
    assert fingerprints(POOL, gsm8k, flask) == every
    assert fingerprints(POOL.model_copy(update={"experts": POOL.experts[:2]}), flask, gsm8k).items() <= every.items()
