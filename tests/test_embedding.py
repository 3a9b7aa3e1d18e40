"""The one embedder, against a plain one-by-one reference."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tests import tiny_models
from zooter_ray.embedding import Embedder
from zooter_ray.errors import ConfigError

TEXTS = ["one", "a much longer text than the others are", "two words", "one"]


def test_embeddings_are_normalised_means_of_the_last_layer(tmp_path: Path) -> None:
    source = str(tiny_models.save_bert(tmp_path, 2))
    found = Embedder(source, batch_size=2)(TEXTS)
    tokenizer, model = AutoTokenizer.from_pretrained(source), AutoModel.from_pretrained(source).eval()
    for text, embedding in zip(TEXTS, found, strict=True):
        with torch.inference_mode():
            mean = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
        assert embedding == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_no_texts_have_no_embeddings(tmp_path: Path) -> None:
    assert Embedder(str(tiny_models.save_bert(tmp_path, 2)))([]).shape[0] == 0


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_an_embedder_whose_download_was_interrupted_is_named(tmp_path: Path, file: str) -> None:
    path = tiny_models.save_encoder(tmp_path) / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ConfigError, match=rf"^the embedder {tmp_path} cannot be loaded: "):
        Embedder(str(tmp_path))


def test_long_texts_are_cut(tmp_path: Path) -> None:
    embed = Embedder(str(tiny_models.save_bert(tmp_path, 2)), max_length=8)
    found = embed(["word " * 8, "word " * 300])
    assert found[0] == pytest.approx(found[1], abs=1e-5)
