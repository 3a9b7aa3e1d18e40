"""What is found out before anything is spent."""

from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import decoder_tokenizer
from zooter_ray.config.generation import GenerationConfig
from zooter_ray.errors import ConfigError
from zooter_ray.preparing import check_templates


def pool(source: Path, **settings: Any) -> GenerationConfig:
    engine = {"kind": "vllm", "source": str(source)}
    experts = [{"id": "base", "engine": engine, **settings}, {"id": "other", "engine": {"kind": "dummy"}}]
    return GenerationConfig.model_validate({"experts": experts})


def test_an_expert_without_a_chat_template_is_named(tmp_path: Path) -> None:
    decoder_tokenizer(chat_template=None).save_pretrained(tmp_path / "base")
    with pytest.raises(ConfigError, match=r"expert base: .*/base brings no chat template; give chat_template"):
        check_templates(pool(tmp_path / "base"))
    check_templates(pool(tmp_path / "base", chat_template="{{ messages[0].content }}"))
    decoder_tokenizer(chat_template="{{ messages }}").save_pretrained(tmp_path / "chat")
    check_templates(pool(tmp_path / "chat"))


def test_an_expert_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expert base: no tokenizer in"):
        check_templates(pool(tmp_path))
