"""The expert pool."""

from zooter_ray.config.generation import DummyEngine, ExpertConfig, GenerationConfig
from zooter_ray.experts import engine_groups, engine_of, expert_ids, shown_name, shown_names

LLAMA = DummyEngine(seed=1)
VICUNA = DummyEngine(seed=2)
POOL = GenerationConfig(
    experts=[
        ExpertConfig(id="terse", same_weights_as="vicuna", system_prompt="Be brief."),
        ExpertConfig(id="llama", engine=LLAMA),
        ExpertConfig(id="vicuna", engine=VICUNA),
        ExpertConfig(id="teacher", same_weights_as="vicuna", system_prompt="Think step by step."),
    ]
)


def test_ids_keep_the_order_of_the_config() -> None:
    assert expert_ids(POOL) == ["terse", "llama", "vicuna", "teacher"]


def test_an_expert_runs_on_its_own_engine_or_on_that_of_the_expert_whose_weights_it_shares() -> None:
    assert [engine_of(POOL, expert) for expert in POOL.experts] == [VICUNA, LLAMA, VICUNA, VICUNA]


def test_experts_that_share_weights_share_an_engine_and_no_others_do() -> None:
    groups = [(engine, [expert.id for expert in experts]) for engine, experts in engine_groups(POOL)]
    assert groups == [(VICUNA, ["terse", "vicuna", "teacher"]), (LLAMA, ["llama"])]


def test_engines_that_are_configured_alike_are_still_two() -> None:
    twins = GenerationConfig(experts=[ExpertConfig(id=name, engine=DummyEngine()) for name in ("a", "b")])
    assert [len(experts) for _, experts in engine_groups(twins)] == [1, 1]


def test_an_expert_that_is_no_model_of_its_own_is_marked_where_it_is_shown() -> None:
    assert shown_name(POOL, "llama") == "llama"
    assert shown_names(POOL) == {
        "terse": "terse (same weights as vicuna)",
        "llama": "llama",
        "vicuna": "vicuna",
        "teacher": "teacher (same weights as vicuna)",
    }
