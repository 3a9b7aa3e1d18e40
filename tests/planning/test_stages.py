"""Whole plans: how work is split, stored and bounded, and that more GPUs are never slower."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from zooter_ray.config import RunConfig, load_config
from zooter_ray.config.generation import VllmEngine
from zooter_ray.config.resources import StageResources
from zooter_ray.errors import ConfigError
from zooter_ray.planning.cost import Efficiency
from zooter_ray.planning.paper import against_paper, is_papers
from zooter_ray.planning.plan import Line, Plan, Planner
from zooter_ray.planning.stages import JUDGE_PROMPT_TOKENS, JUDGE_TOKENS, make_plan, scoring_line
from zooter_ray.planning.tables import gpu_named, table
from zooter_ray.planning.workload import Workload, template_tokens

CONFIGS = Path(__file__).parents[2] / "jobs/configs"
WORK = Workload(read=2000, queries=1000, eval_share=0.2, train_share=0.5, query_tokens=100, response_tokens=300)


def plan(config: RunConfig, gpus: int = 8, gpu: str = "A100-80G", workload: Workload = WORK) -> Plan:
    return make_plan(Planner(config, workload, gpu_named(gpu), gpus))


def paper(*overrides: str) -> RunConfig:
    return load_config(CONFIGS / "paper.yaml", overrides)


def line(found: Plan, unit: str) -> Line:
    (only,) = [line for line in found.lines if line.unit == unit]
    return only


def test_rows_and_tokens_of_each_stage() -> None:
    found = plan(paper())
    experts = paper().generation.experts
    stages = [*["queries"] * 3, *["generation"] * 6, "scoring", "training", "evaluation"]
    assert [item.stage for item in found.lines] == stages
    assert line(found, "tags").rows == 2000
    assert line(found, "vicuna-13b").tokens_out == 1000 * 300
    assert line(found, "vicuna-13b").tokens_in == pytest.approx(1000 * (100 + template_tokens(experts[-1])))
    assert line(found, "ultrarm").tokens_in == 6 * 1000 * 400
    assert line(found, "router").rows == 5 * 1000 * 0.8 * 0.5
    assert line(found, "report").rows == 200


def test_a_frozen_encoder_reads_every_training_query_once() -> None:
    trained, frozen = (
        line(plan(paper(*more)), "router") for more in ((), ("training.pooling=mean", "training.frozen=true"))
    )
    assert frozen.rows == trained.rows / 5 == 1000 * 0.8 * 0.5
    assert frozen.flops == pytest.approx(trained.flops / 15)  # five epochs of forward and backward


def test_few_rows_are_read_in_the_epochs_that_a_least_number_of_steps_adds() -> None:
    settings = ("training.batch_size=40", "training.min_steps=100")  # 400 rows make ten steps an epoch
    assert line(plan(paper(*settings)), "router").rows == 10 * 1000 * 0.8 * 0.5


def test_layers_that_are_left_out_cost_nothing() -> None:
    whole, half = (line(plan(paper(*more)), "router") for more in ((), ("training.layers=6",)))
    assert half.flops == pytest.approx(whole.flops / 2)
    assert half.storage_bytes < whole.storage_bytes
    assert line(plan(paper("training.layers=50")), "router") == whole


def test_a_response_is_no_longer_than_its_decoding_allows() -> None:
    config = paper("generation.experts.0.decoding={max_tokens: 50}")
    assert line(plan(config), "wizardcoder-13b").tokens_out == 1000 * 50


def test_storage_is_bytes_of_text_times_rows_times_compression() -> None:
    # A response's row: 100 + 300 tokens of 4 bytes, halved by compression, and 20 bytes of ids and numbers.
    assert line(plan(paper()), "vicuna-13b").storage_bytes == 1000 * (400 * 4 * 0.5 + 20)
    assert line(plan(paper()), "ultrarm").storage_bytes == 6000 * 20


def test_replicas_are_gpus_by_tensor_parallel_size_rounded_down_and_no_more_than_workers() -> None:
    config = paper("generation.experts.0.engine.tensor_parallel_size=3")
    first = line(plan(config, gpus=8), "wizardcoder-13b")
    assert (first.replicas, first.gpus) == (2, 6)
    assert line(plan(paper(), gpus=64), "vicuna-13b").replicas == 8, "resources.workers is [1, 8]"


@pytest.mark.parametrize("name", ["paper", "modern"])
def test_more_gpus_are_never_slower(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    walls = [plan(config, gpus).wall_s for gpus in range(1, 17)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(walls))
    assert walls[7] < walls[0]


def test_a_faster_gpu_is_faster() -> None:
    assert plan(paper(), gpu="H100-80G").wall_s < plan(paper(), gpu="A100-80G").wall_s


def test_gpu_hours_are_gpus_held_times_wall_time() -> None:
    found = line(plan(paper()), "ultrarm")
    assert found.gpu_hours == pytest.approx(8 * found.wall_s / 3600)
    flops = 6000 * (2 * 12_687_769_600 * 400 + 2 * 40 * 5120 * 400**2)
    assert found.flops == pytest.approx(flops)
    assert found.busy_s == pytest.approx(flops / (8 * 312e12 * Efficiency().mfu_reading))


def test_the_bounds_are_named() -> None:
    large = Workload(2e5, 1e5, 0.05, 0.95, 100, 300)
    found = plan(paper(), workload=large)
    bounds = {unit: line(found, unit).bound for unit in ("vicuna-13b", "ultrarm", "router")}
    assert bounds == {"vicuna-13b": "memory bandwidth", "ultrarm": "compute", "router": "neither"}
    assert line(plan(paper(), workload=Workload(10, 10, 0.05, 0.95, 100, 300)), "ultrarm").bound == "neither", (
        "its start"
    )


def test_experts_that_share_an_engine_share_a_line() -> None:
    config = load_config(CONFIGS / "demo.yaml")
    found = [item.unit for item in plan(config, 1, "cpu").lines if item.stage == "generation"]
    assert found == ["smollm2", "gemma3-base + gemma3-fewshot"]


def test_several_samples_are_several_rows() -> None:
    config = paper("generation.experts.0.n=4")
    assert line(plan(config), "wizardcoder-13b").rows == 4000
    assert line(plan(config), "ultrarm").rows == (4 + 5) * 1000


def scored(model: SimpleNamespace, gpu: str = "A100-80G") -> Line:
    """The line of a reward model of six experts' responses, 300 tokens each, to queries of 100."""
    planner = Planner(paper(), WORK, gpu_named(gpu), 8)
    return scoring_line(planner, model, rows=6000, response=300, experts=paper().generation.experts)


def test_a_pair_ranker_reads_every_ordered_pair_within_its_lengths() -> None:
    model = SimpleNamespace(
        id="pairrm", kind="pair_ranker", source="llm-blender/PairRM-hf", dtype="float16", batch_size=16,
        max_source_length=80, max_candidate_length=200, resources=StageResources(num_gpus=1, workers=8),
    )  # fmt: skip
    found = scored(model)
    assert found.rows == 1000 * 30
    assert found.tokens_in == 30_000 * (80 + 2 * 200)
    assert found.storage_bytes == 30_000 * 20


def test_a_judge_reads_query_and_response_and_writes_its_reasons() -> None:
    engine = VllmEngine(source="GAIR/autoj-13b", resources=StageResources(num_gpus=1, workers=8))
    found = scored(SimpleNamespace(id="autoj", kind="generative", engine=engine))
    assert found.tokens_in == 6000 * (JUDGE_PROMPT_TOKENS + 400)
    assert found.tokens_out == 6000 * JUDGE_TOKENS


def test_a_judge_behind_an_endpoint_holds_no_gpu() -> None:
    found = scored(SimpleNamespace(id="hosted", kind="http", base_url="http://x/v1", concurrency=10))
    assert (found.gpus, found.busy_s) == (0.0, pytest.approx(6000 * (0.5 + 0.02 * 150) / 10))


def test_an_endpoint_holds_no_gpu_and_goes_at_its_rate() -> None:
    engine = "{kind: http, base_url: http://x/v1, served_name: x, requests_per_minute: 60}"
    found = line(plan(paper(f"generation.experts.0.engine={engine}")), "wizardcoder-13b")
    assert (found.gpus, found.busy_s, found.bound) == (0.0, 1000.0, "neither")


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"tags: the weights of OFA-Sys/InsTagger take 13 GB .* raise tensor_parallel"
    ):
        plan(paper("queries.tagger.engine.engine_kwargs={gpu_memory_utilization: 0.5}"), gpu="L4")


def test_too_few_gpus_for_one_replica_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"vicuna-13b: one replica needs 4 GPUs, and --gpus says 2"):
        plan(paper("generation.experts.5.engine.tensor_parallel_size=4"), gpus=2)


def test_a_training_that_would_wait_for_ever_is_noted() -> None:
    assert any("training asks for 8 GPUs at once" in note for note in plan(paper(), gpus=4).notes)
    assert not any("training asks" in note for note in plan(paper(), gpus=8).notes)


def test_an_unknown_gpu_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'a100'; did you mean A100-[48]0G\? There are: A100-40G, .*V100, cpu"):
        gpu_named("a100")


def test_every_gpu_of_the_table_is_complete() -> None:
    for name in table("gpus"):
        gpu = gpu_named(name)
        assert 0 < gpu.single_tflops <= gpu.half_tflops
        assert gpu.memory_gb > 0
        assert gpu.bandwidth_gb_s > 0


def test_the_papers_figures_stand_beside_its_own_config_alone() -> None:
    assert is_papers(paper())
    assert not is_papers(load_config(CONFIGS / "modern.yaml"))
    scoring, training = against_paper(plan(paper()))
    assert (scoring.reported_gpu_hours, training.reported_gpu_hours) == (192.0, 16.0)
    assert scoring.ratio == pytest.approx(line(plan(paper()), "ultrarm").gpu_hours / 192)
