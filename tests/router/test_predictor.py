"""The one predictor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests import tiny_models
from zooter_ray import load_router, route
from zooter_ray.errors import ArtifactError
from zooter_ray.router.predictor import RouterPredictor

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
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_router(tmp_path_factory.mktemp("router"), EXPERTS)


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
