"""The one predictor."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests import tiny_models
from zooter_ray import load_router, route
from zooter_ray.errors import ArtifactError
from zooter_ray.router.directory import ONNX_FILE, ZOOTER_JSON
from zooter_ray.router.export import export_onnx
from zooter_ray.router.model import WEIGHTS_FILE, load_mean_pooled
from zooter_ray.router.onnx_session import OnnxSession
from zooter_ray.router.predictor import RouterPredictor, torch_logits

EXPERTS = ["vicuna", "llama", "wizard"]
QUERIES = [
    "What is the capital of France?",
    "Name a red fruit.",
    "",
    "def add(a, b): return a + b " * 8,
    "?",
    "How many apples are left if Tom eats three of his seven apples?",
    "What is the capital of France?",
]


@pytest.fixture(scope="module")
def without_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_router(tmp_path_factory.mktemp("router"), EXPERTS)


@pytest.fixture(scope="module")
def with_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tiny_models.save_router(tmp_path_factory.mktemp("router"), EXPERTS)
    return add_onnx(directory, AutoModelForSequenceClassification.from_pretrained(directory))


@pytest.fixture(scope="module")
def mean_pooled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_mean_router(tmp_path_factory.mktemp("router"), EXPERTS, hidden=8)


@pytest.fixture(params=["without_onnx", "with_onnx"])
def directory(request: pytest.FixtureRequest) -> Path:
    """A router with native pooling: PyTorch's to compute, and ONNX Runtime's."""
    found: Path = request.getfixturevalue(request.param)
    return found


def add_onnx(directory: Path, model: Any) -> Path:
    """Export a saved router into its directory."""
    interface = export_onnx(model, AutoTokenizer.from_pretrained(directory), directory / ONNX_FILE)
    set_card(directory, onnx=interface.to_json())
    return directory


def set_card(directory: Path, **changed: Any) -> None:
    path = directory / ZOOTER_JSON
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@torch.inference_mode()
def plain_transformers(directory: Path, queries: list[str], max_length: int, side: str = "right") -> np.ndarray:
    """Probabilities (Q, M), one query at a time, without any code of this project."""
    tokenizer = AutoTokenizer.from_pretrained(directory, truncation_side=side)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    return np.array(
        [
            model(**tokenizer(query, truncation=True, max_length=max_length, return_tensors="pt"))
            .logits.softmax(dim=1)[0]
            .tolist()
            for query in queries
        ]
    )


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_probabilities_are_those_of_plain_transformers_in_the_order_of_the_queries(
    directory: Path, batch_size: int
) -> None:
    expected_QM = plain_transformers(directory, QUERIES, max_length=64)
    assert np.ptp(expected_QM, axis=0).max() > 0.05  # queries in a wrong order would be noticed
    found_QM = RouterPredictor(directory, batch_size=batch_size)(QUERIES)
    assert found_QM.shape == (7, 3)
    np.testing.assert_allclose(found_QM, expected_QM, atol=1e-6)
    np.testing.assert_allclose(found_QM.sum(axis=1), 1.0)


def test_the_order_of_queries_changes_nothing_but_the_order_of_rows(directory: Path) -> None:
    predictor = RouterPredictor(directory, batch_size=3)
    np.testing.assert_allclose(predictor(QUERIES[::-1]), predictor(QUERIES)[::-1], atol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_long_query_is_cut_as_the_router_directory_says(tmp_path: Path, side: str) -> None:
    tiny_models.save_router(tmp_path, EXPERTS, max_length=12, truncation_side=side)
    found_QM = RouterPredictor(tmp_path)(QUERIES)
    np.testing.assert_allclose(found_QM, plain_transformers(tmp_path, QUERIES, 12, side), atol=1e-6)
    other_side = plain_transformers(tmp_path, QUERIES, 12, "left" if side == "right" else "right")
    assert not np.allclose(found_QM, other_side, atol=1e-3)


def test_the_python_api_loads_and_routes(directory: Path) -> None:
    predictor = load_router(directory)
    assert predictor.experts == EXPERTS
    expected = [EXPERTS[choice] for choice in predictor(QUERIES).argmax(axis=1)]
    assert route(directory, QUERIES) == expected
    assert route(predictor, tuple(QUERIES)) == expected
    assert len(set(expected)) > 1


def test_no_queries_have_no_probabilities(directory: Path) -> None:
    assert RouterPredictor(directory)([]).shape == (0, 3)
    assert route(directory, []) == []


def test_a_directory_that_holds_no_router_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"is no router directory: it has no zooter\.json"):
        RouterPredictor(tmp_path)


def test_a_router_at_a_uri_is_the_same_router(tmp_path: Path) -> None:
    directory = tiny_models.save_router(tmp_path / "router", ["llama", "vicuna"])
    queries = ["What is the capital of France?"]
    at_a_uri = RouterPredictor(directory.as_uri())
    assert at_a_uri(queries).tolist() == RouterPredictor(directory)(queries).tolist()


# Which runtime


def test_a_router_with_an_onnx_file_is_computed_by_onnx_runtime_and_one_without_by_pytorch(
    with_onnx: Path, without_onnx: Path
) -> None:
    assert type(RouterPredictor(with_onnx).logits).__name__ == "OnnxSession"
    assert not isinstance(RouterPredictor(without_onnx).logits, type(RouterPredictor(with_onnx).logits))


@pytest.mark.parametrize("tokens", [1, 24, 1 << 20])
def test_a_batch_has_the_same_logits_in_one_pass_and_in_several(with_onnx: Path, tokens: int) -> None:
    random = np.random.default_rng(0)
    ids, mask = random.integers(5, 60, (7, 8)), np.ones((7, 8), dtype=np.int64)
    each = [OnnxSession(with_onnx / "router.onnx")(ids[row : row + 1], mask[row : row + 1])[0] for row in range(7)]
    np.testing.assert_allclose(OnnxSession(with_onnx / "router.onnx", tokens)(ids, mask), each, atol=1e-6)


@pytest.mark.parametrize("onnx", [True, False])
def test_a_mean_pooled_router_has_its_models_probabilities_by_either_runtime(
    mean_pooled: Path, tmp_path: Path, onnx: bool
) -> None:
    shutil.copytree(mean_pooled, tmp_path, dirs_exist_ok=True)
    if not onnx:
        set_card(tmp_path, onnx=None)
    model, tokenizer = load_mean_pooled(mean_pooled).eval(), AutoTokenizer.from_pretrained(mean_pooled)
    expected_QM = []
    for query in QUERIES:
        encoded = tokenizer(query, truncation=True, max_length=64, return_tensors="pt")
        with torch.inference_mode():
            logits_BM = model(encoded["input_ids"], encoded["attention_mask"]).logits
        expected_QM.append(logits_BM.softmax(dim=1)[0].numpy())
    assert np.ptp(expected_QM, axis=0).max() > 0.01
    np.testing.assert_allclose(RouterPredictor(tmp_path, batch_size=3)(QUERIES), expected_QM, atol=1e-5)


def test_onnx_runtime_and_pytorch_give_the_same_probabilities_at_every_length(with_onnx: Path) -> None:
    predictor = RouterPredictor(with_onnx)
    queries = [" ".join(["apple red"] * count) for count in range(40)]
    by_onnx_QM = predictor(queries)
    predictor.logits = torch_logits(with_onnx, "native")
    np.testing.assert_allclose(by_onnx_QM, predictor(queries), atol=1e-5, rtol=0)


# Odd queries


ODD = {
    "empty": "",
    "white space": " \n\t",
    "emoji": "🍎👩‍👩‍👧‍👦 which fruit is 🔴?",
    "right to left": "\u202bמהי בירת צרפת?\u202c ما هي عاصمة فرنسا؟",
    "control characters": "\x00What\x07 is\x1b[31m red\x7f?\r\n",
    "lone surrogate": "red \ud83d apple",
    "a long word": "a" * 100_000,
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_query_is_routed_like_any_other(directory: Path, name: str) -> None:
    (found_M,) = RouterPredictor(directory)([ODD[name]])
    readable = ODD[name].replace("\ud83d", "\ufffd")
    np.testing.assert_allclose(found_M, plain_transformers(directory, [readable], 64)[0], atol=1e-6)


def test_a_megabyte_is_routed_in_well_under_a_second(directory: Path) -> None:
    predictor = RouterPredictor(directory)
    query = "How many apples are left if Tom eats three of his seven apples? " * 16_384
    assert len(query) == 2**20
    started = time.process_time()
    found_QM = predictor([query])
    assert time.process_time() - started < 0.5
    np.testing.assert_allclose(found_QM, plain_transformers(directory, [query[:5000]], 64), atol=1e-6)


# Directories that are no whole router


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "interrupted weights": (lambda path: half(path / "model.safetensors"), ""),
    "empty weights": (lambda path: (path / "model.safetensors").write_bytes(b""), ""),
    "no weights": (lambda path: (path / "model.safetensors").unlink(), "model.safetensors"),
    "no tokenizer": (lambda path: (path / "tokenizer.json").unlink(), ""),
    "interrupted tokenizer": (lambda path: half(path / "tokenizer.json"), ""),
    "interrupted onnx": (lambda path: half(path / "router.onnx"), "router.onnx"),
    "empty onnx": (lambda path: (path / "router.onnx").write_bytes(b""), "router.onnx"),
    "no onnx": (lambda path: (path / "router.onnx").unlink(), "router.onnx"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_directory_is_refused_in_one_sentence(with_onnx: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(with_onnx, tmp_path, dirs_exist_ok=True)
    damage, named = DAMAGE[name]
    damage(tmp_path)
    with pytest.raises(ArtifactError) as raised:
        RouterPredictor(tmp_path)
    assert str(raised.value).startswith(f"{tmp_path} is no whole router directory: ")
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_directory_without_any_tokenizer_file_is_refused(without_onnx: Path, tmp_path: Path) -> None:
    shutil.copytree(without_onnx, tmp_path, dirs_exist_ok=True)
    for file in tmp_path.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ArtifactError, match=r"it has no tokenizer file \(.*tokenizer\.json.*\)$"):
        RouterPredictor(tmp_path)


def test_weights_of_another_router_beside_an_onnx_file_are_refused(with_onnx: Path, tmp_path: Path) -> None:
    other = tiny_models.save_router(tmp_path / "other", ["vicuna", "llama"])
    shutil.copytree(with_onnx, tmp_path / "router")
    shutil.copy(other / WEIGHTS_FILE, tmp_path / "router")
    with pytest.raises(ArtifactError, match=r"model\.safetensors has no layer of 3 classes; it is of another router$"):
        RouterPredictor(tmp_path / "router")


def test_weights_of_three_experts_are_none_of_two(tmp_path: Path) -> None:
    """Embeddings of token types, of which BERT has two, are no classes."""
    other = tiny_models.save_router(tmp_path / "other", EXPERTS)
    router = tiny_models.save_router(tmp_path / "router", ["vicuna", "llama"])
    shutil.copy(other / WEIGHTS_FILE, router)
    with pytest.raises(ArtifactError, match=r"no layer of 2 classes; it is of another router$"):
        RouterPredictor(router)


def test_an_onnx_file_of_another_router_is_refused(with_onnx: Path, tmp_path: Path) -> None:
    tiny_models.save_router(tmp_path, ["vicuna", "llama"], onnx={"file": ONNX_FILE})
    shutil.copy(with_onnx / ONNX_FILE, tmp_path)
    with pytest.raises(ArtifactError, match=r"router\.onnx has 3 classes, not 2; it is of another router$"):
        RouterPredictor(tmp_path)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9/router", "hf://nobody/router", "nothing://router", "file:///no"])
def test_a_directory_that_cannot_be_reached_is_named(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ArtifactError, match=f"^(router directory )?{uri} cannot be (read|reached): .+"):
        RouterPredictor(uri)
