"""Every YAML file of the repository is loaded by what will read it, and the paper's templates say what they should."""

import subprocess
from pathlib import Path

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema
from transformers import AutoTokenizer

from serve_app.args import ServeArgs
from zooter_ray.chat import fit_prompt, messages_of, render
from zooter_ray.config import (
    BenchmarksConfig,
    DistillConfig,
    RunConfig,
    dump_config,
    load_benchmarks_config,
    load_config,
    load_distill_config,
)
from zooter_ray.config.generation import ExpertConfig
from zooter_ray.config.tuning import TuneConfig, load_tune_config
from zooter_ray.evaluation.benchmarks import alpaca_eval, flask, gsm8k, human_eval, mmlu, mt_bench
from zooter_ray.package_models import resolve_source

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "jobs" / "configs" / "benchmarks.yaml"
TUNE_CONFIGS = sorted(BENCHMARKS.parent.glob("tune_*.yaml"))
ROUTERDC, FROZEN = (BENCHMARKS.parent / f"{name}.yaml" for name in ("routerdc", "frozen"))
RUN_CONFIGS = sorted({*BENCHMARKS.parent.glob("*.yaml")} - {BENCHMARKS, ROUTERDC, FROZEN, *TUNE_CONFIGS})
SERVE_CONFIGS = sorted((ROOT / "serve_app" / "configs").glob("*.yaml"))


def committed_yaml() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.yaml", "*.yml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.splitlines()]


@pytest.mark.parametrize("path", committed_yaml(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_yaml_file_parses(path: Path) -> None:
    assert yaml.safe_load(path.read_text()) is not None


@pytest.mark.parametrize("path", RUN_CONFIGS, ids=lambda path: path.stem)
def test_every_run_config_validates_and_survives_a_round_trip(path: Path) -> None:
    config = load_config(path)
    assert RunConfig.model_validate(yaml.safe_load(dump_config(config))) == config


def test_the_benchmarks_config_has_the_papers_experts_and_benchmarks() -> None:
    config = load_benchmarks_config(BENCHMARKS)
    assert BenchmarksConfig.model_validate(yaml.safe_load(dump_config(config))) == config
    assert config.generation is not None
    assert config.generation.experts == load_config(ROOT / "jobs/configs/paper.yaml").generation.experts
    assert [benchmark.kind for benchmark in config.benchmarks] == [
        "alpaca_eval", "flask", "mt_bench", "mmlu", "gsm8k", "human_eval",
    ]  # fmt: skip
    subsets = [*alpaca_eval.SUBSETS, *flask.SUBSETS, *mt_bench.SUBSETS, mmlu.SOURCE, gsm8k.SOURCE, human_eval.SOURCE]
    assert len(subsets) == 26


@pytest.mark.parametrize("path", [ROUTERDC, FROZEN], ids=lambda path: path.stem)
def test_a_config_of_an_outcomes_file_validates_and_survives_a_round_trip(path: Path) -> None:
    config = load_distill_config(path)
    assert DistillConfig.model_validate(yaml.safe_load(dump_config(config))) == config
    assert config.labeling == load_distill_config(ROUTERDC).labeling
    assert config.training.pooling == "mean", "also where `frozen` alone is said"


@pytest.mark.parametrize("path", TUNE_CONFIGS, ids=lambda path: path.stem)
def test_every_search_validates_and_survives_a_round_trip(path: Path) -> None:
    config = load_tune_config(path)
    assert config.points()
    assert TuneConfig.model_validate(yaml.safe_load(dump_config(config))) == config


def test_the_papers_search_trains_the_papers_router_and_holds_what_won_there() -> None:
    search = load_tune_config(ROOT / "jobs/configs/tune_paper.yaml")
    assert search.training == load_config(ROOT / "jobs/configs/paper.yaml").training
    assert search.tuning.space["labeling.beta"] == [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1]
    won = {
        "training.learning_rate": 1e-5, "training.weight_decay": 5e-7, "training.epochs": 5, "labeling.beta": 0.3,
    }  # fmt: skip
    assert won in search.points()
    assert len(search.points()) == 84


@pytest.mark.parametrize("path", SERVE_CONFIGS, ids=lambda path: path.stem)
def test_every_serve_config_is_what_serve_deploy_and_the_application_read(path: Path) -> None:
    schema = ServeDeploySchema.model_validate(yaml.safe_load(path.read_text()))
    for application in schema.applications:
        assert application.import_path == "serve_app.app:build_app"
        assert ServeArgs.model_validate(application.args).pool().experts


def test_the_demo_ships_with_the_package() -> None:
    assert (ROOT / "zooter_ray/cli/demo.yaml").read_text() == (ROOT / "jobs/configs/demo.yaml").read_text()


def paper() -> dict[str, ExpertConfig]:
    return {expert.id: expert for expert in load_config(ROOT / "jobs/configs/paper.yaml").generation.experts}


@pytest.fixture(scope="module")
def tokenizer() -> object:
    """Any tokenizer with a <s>-like and a </s>-like token: here `<bos>` and `<eos>`."""
    return AutoTokenizer.from_pretrained(resolve_source("package:gemma-3-270m"))


def text(tokenizer: object, expert: ExpertConfig, *turns: str) -> str:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)]
    rendered = tokenizer.apply_chat_template(  # type: ignore[attr-defined]
        messages, chat_template=expert.chat_template, add_generation_prompt=True, tokenize=False
    )
    assert isinstance(rendered, str)
    return rendered


VICUNA = (
    "<bos>A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions. "
)
ALPACA = (
    "<bos>Below is an instruction that describes a task. Write a response that appropriately completes the request."
    "\n\n### Instruction:\n"
)
RENDERED = {
    "wizardlm-13b": VICUNA + "USER: Hi? ASSISTANT:",
    "vicuna-13b": VICUNA + "USER: Hi? ASSISTANT:",
    "wizardcoder-13b": ALPACA + "Hi?\n\n### Response:",
    "wizardmath-13b": ALPACA + "Hi?\n\n### Response:",
    "llama-2-chat-13b": "<bos>[INST] Hi? [/INST]",
    "openchat-13b": "<bos>GPT4 User: Hi?<|end_of_turn|>GPT4 Assistant:",
}


@pytest.mark.parametrize("expert_id", RENDERED)
def test_the_papers_templates_render_the_published_prompts(tokenizer: object, expert_id: str) -> None:
    expert = paper()[expert_id]
    assert text(tokenizer, expert, "Hi?") == RENDERED[expert_id]


def test_later_turns_close_the_answers_before_them(tokenizer: object) -> None:
    vicuna, llama, openchat = (paper()[name] for name in ("vicuna-13b", "llama-2-chat-13b", "openchat-13b"))
    assert text(tokenizer, vicuna, "Hi?", "A", "Bye") == VICUNA + "USER: Hi? ASSISTANT: A<eos>USER: Bye ASSISTANT:"
    assert text(tokenizer, llama, "Hi?", "A", "Bye") == "<bos>[INST] Hi? [/INST] A <eos><bos>[INST] Bye [/INST]"
    assert text(tokenizer, openchat, "Hi?", "A", "Bye").endswith(
        "A<|end_of_turn|>GPT4 User: Bye<|end_of_turn|>GPT4 Assistant:"
    )


@pytest.mark.parametrize("expert_id", RENDERED)
def test_a_papers_prompt_has_one_bos_and_leaves_room_for_2048_new_tokens(tokenizer: object, expert_id: str) -> None:
    expert = paper()[expert_id]
    assert expert.decoding.max_tokens == 2048
    prompt = fit_prompt(expert, tokenizer, "word " * 3000, window=4096)
    assert not prompt.error
    assert len(prompt.token_ids) <= 2048
    assert prompt.token_ids.count(tokenizer.bos_token_id) == 1  # type: ignore[attr-defined]


def test_gated_weights_name_their_token() -> None:
    gated = {
        expert.id: expert.engine.token_env
        for expert in paper().values()
        if expert.engine is not None and expert.engine.kind == "vllm" and expert.engine.token_env
    }
    assert gated == {"llama-2-chat-13b": "HF_TOKEN"}


def test_the_demos_base_model_gets_exactly_one_bos(tokenizer: object) -> None:
    config = load_config(ROOT / "jobs/configs/demo.yaml")
    gemma = next(expert for expert in config.generation.experts if expert.id == "gemma3-base")
    token_ids = render(gemma, tokenizer, messages_of(gemma, "Hi?"))
    assert token_ids[0] == tokenizer.bos_token_id  # type: ignore[attr-defined]
    assert token_ids.count(tokenizer.bos_token_id) == 1  # type: ignore[attr-defined]
