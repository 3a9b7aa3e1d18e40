"""Parameters and KV cache from shapes, against published counts; where shapes come from."""

import json
from pathlib import Path

import pytest
import yaml

from zooter_ray.config import load_config
from zooter_ray.errors import ConfigError
from zooter_ray.planning.models import ModelShape, bytes_per_parameter, shape_of
from zooter_ray.planning.tables import table

ROOT = Path(__file__).parents[2]


def known(name: str) -> ModelShape:
    return ModelShape(**table("models")["shapes"][name])


def test_a_shape_counts_its_matrices() -> None:
    # Per layer: attention 2 * 4 * (4 + 4) = 64, three matrices of 4 x 8 = 96. Twice 160, embeddings and head 40 each,
    # five norms of 4.
    shape = ModelShape(layers=2, hidden=4, intermediate=8, heads=2, vocabulary=10)
    assert (shape.active, shape.head, shape.parameters) == (320, 40, 40 + 320 + 40 + 20)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("llama-2-13b", 13_015_864_320),
        ("llama-2-7b", 6_738_415_616),
        ("llama-3.1-8b", 8_030_261_248),
        ("qwen3-30b-a3b", 30_532_122_624),
        ("smollm2-135m", 134_515_008),
        ("modernbert-base", 149_014_272),
    ],
)
def test_parameters_are_the_published_ones(name: str, published: int) -> None:
    assert known(name).parameters == pytest.approx(published, rel=1e-3)


def test_the_parameters_of_llama_2_13b_and_its_cache_are_exact() -> None:
    shape = known("llama-2-13b")
    assert shape.parameters == 13_015_864_320
    assert shape.active == 40 * (4 * 5120**2 + 3 * 5120 * 13824) == 12_687_769_600
    assert shape.kv_bytes(2) == 2 * 40 * 5120 * 2 == 819_200


def test_grouped_heads_shrink_the_cache() -> None:
    assert known("llama-3.1-8b").kv_bytes(2) == 2 * 32 * 8 * 128 * 2 == 131_072


def test_a_token_meets_the_active_experts_of_a_mixture_alone() -> None:
    shape = known("qwen3-30b-a3b")
    attention, one_expert, gate = 2 * 2048 * (4096 + 512), 3 * 2048 * 768, 2048 * 128
    assert shape.active == 48 * (attention + 8 * one_expert + gate)
    assert shape.active + shape.head == pytest.approx(3.04e9, rel=0.01)


def test_the_router_has_86_million_parameters_without_its_embeddings() -> None:
    assert known("mdeberta-v3-base").active == pytest.approx(86e6, rel=0.02)
    assert known("mdeberta-v3-base").head == 0


@pytest.mark.parametrize("size", [135e6, 1e9, 7e9, 13e9, 70e9])
def test_a_model_of_which_the_size_alone_is_known_has_that_size(size: float) -> None:
    assert ModelShape.like_llama(size).parameters == pytest.approx(size, rel=0.01)


def test_a_local_config_gives_the_shape_of_its_text_part(tmp_path: Path) -> None:
    text = {
        "model_type": "gemma3_text", "num_hidden_layers": 2, "hidden_size": 4, "intermediate_size": 8,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 3, "vocab_size": 10,
        "tie_word_embeddings": True,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": text}))
    assert shape_of(str(tmp_path), {}) == ModelShape(2, 4, 8, 2, 10, kv_heads=1, head_dim=3, tied=True)


def test_an_encoder_has_two_feed_forward_matrices_and_no_head(tmp_path: Path) -> None:
    bert = {
        "model_type": "bert", "num_hidden_layers": 1, "hidden_size": 4, "intermediate_size": 8,
        "num_attention_heads": 2, "vocab_size": 10,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(bert))
    shape = shape_of(str(tmp_path), {})
    assert (shape.active, shape.head) == (2 * 4 * 8 + 2 * 4 * 8, 0)


def test_an_unknown_model_says_how_to_name_its_size() -> None:
    with pytest.raises(ConfigError, match=r"model someone/else; say .*--parameters someone/else=13e9"):
        shape_of("someone/else", {})
    assert shape_of("someone/else", {"someone/else": 13e9}).parameters == pytest.approx(13e9, rel=0.01)


def test_every_model_that_the_configs_name_is_in_the_table() -> None:
    for name in ("paper", "modern", "demo"):
        config = load_config(ROOT / f"jobs/configs/{name}.yaml")
        sources = [e.engine.source for e in config.generation.experts if e.engine and e.engine.kind == "vllm"]
        sources += [getattr(model, "source", config.training.backbone) for model in config.scoring.reward_models]
        assert set(sources) <= set(table("models")["names"])


def test_every_name_of_the_table_has_a_shape() -> None:
    models = yaml.safe_load((ROOT / "zooter_ray/planning/models.yaml").read_text())
    assert set(models["names"].values()) <= set(models["shapes"])


def test_bytes_of_a_weight_follow_from_dtype_and_quantisation() -> None:
    found = [bytes_per_parameter(*pair) for pair in (("bfloat16", None), ("float32", None), ("auto", "awq"))]
    assert found == [2.0, 4.0, 0.5]
