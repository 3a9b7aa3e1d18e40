"""A run's YAML that has something of everything, and what is said of it after a change."""

from pathlib import Path

import pytest

from zooter_ray.config import load_config
from zooter_ray.errors import ConfigError

RUN = """
run_dir: runs/test
ray: {num_cpus: 2}
queries:
  sources:
  - kind: file
    path: queries.jsonl
    name: mine
  - kind: demo_set
  limit: 100
generation:
  experts:
  - id: llama
    engine: {kind: vllm, source: meta-llama/Llama-2-13b-chat-hf}
  - id: terse
    same_weights_as: llama
    system_prompt: Be brief.
  - id: remote
    engine: {kind: http, base_url: "http://localhost:8000/v1", served_name: gpt}
scoring:
  reward_models:
  - kind: reference
  - id: deberta
    kind: sequence_classification
    source: OpenAssistant/reward-model-deberta-v3-large-v2
labeling: {reward_model: reference, beta: 0.3}
training: {backbone: microsoft/mdeberta-v3-base}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "run.yaml"
    file.write_text(RUN)
    return file


def refused(path: Path, *overrides: str) -> str:
    """The error's message, without the file's name where it comes first."""
    with pytest.raises(ConfigError) as raised:
        load_config(path, overrides)
    return str(raised.value).removeprefix(f"{path}: ")
