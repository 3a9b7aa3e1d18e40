"""Reading queries: pieces of long texts give the same tokens as the whole texts."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests import tiny_models
from zooter_ray.router import reading
from zooter_ray.router.reading import read


def unigram(split: bool = True) -> Any:
    """Metaspace and Unigram, as XLM-R and mDeBERTa have them; unsplit, it reads a text as one word."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=split)
    tokenizer.decoder = decoders.Metaspace()
    alphabet = list("abcdefghijklmnopqrstuvwxyz?.,':()+0123456789 ▁")
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(tiny_models.SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


TOKENIZERS = {
    "word pieces": tiny_models.encoder_tokenizer(),
    "bytes": tiny_models.decoder_tokenizer(),
    "unigram": unigram(),
    "unigram, one word": unigram(split=False),
}
PARTS = [
    *tiny_models.SENTENCES, " ", "  ", "\n\n", "\t", "apple", "'re", "123456", "a" * 130, "?!", "[SEP]", "<s>",
    "漢字", "שלום", "😀", "é", "e\u0301", "\u0301", "\x00", "\u200d", "don't", "ﬁ",
]  # fmt: skip


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("side", ["right", "left"])
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(PARTS), max_size=60).map("".join), min_size=1, max_size=3))
def test_a_long_text_gives_the_tokens_that_it_gives_as_a_whole(name: str, side: str, texts: list[str]) -> None:
    tokenizer = TOKENIZERS[name]
    tokenizer.truncation_side = side
    expected = tokenizer(texts, truncation=True, max_length=9)["input_ids"]
    assert read(tokenizer, texts, max_length=9) == expected


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_long_text_is_not_read_whole(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_models.encoder_tokenizer()
    tokenizer.truncation_side = side
    seen: list[int] = []
    plain = type(tokenizer).__call__

    def counted(self: Any, texts: list[str], **settings: Any) -> Any:
        seen.extend(map(len, texts))
        return plain(self, texts, **settings)

    monkeypatch.setattr(type(tokenizer), "__call__", counted)
    text = "What is the capital of France? " * 30_000
    (found,) = read(tokenizer, [text], max_length=16)
    assert sum(seen) <= 16 * reading.CHARACTERS_PER_TOKEN
    assert found == plain(tokenizer, text, truncation=True, max_length=16)["input_ids"]


@pytest.mark.parametrize(
    "text", ["name a red fruit " * 60_000, "שלום עולם " * 100_000, "a" * 1_000_000, "\n" * 1_000_000, "😀" * 250_000]
)
def test_a_megabyte_is_read_in_well_under_a_second(text: str) -> None:
    tokenizer = tiny_models.encoder_tokenizer()
    started = time.process_time()
    read(tokenizer, [text], max_length=256)
    assert time.process_time() - started < 0.9


@pytest.mark.parametrize(("text", "read_as"), [("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("\ud83d\ude00", "😀")])
def test_half_a_surrogate_pair_is_read_as_the_replacement_character(text: str, read_as: str) -> None:
    tokenizer = tiny_models.decoder_tokenizer()
    assert read(tokenizer, [text], 64) == read(tokenizer, [read_as], 64)


def test_texts_keep_their_order_and_an_empty_one_has_its_special_tokens() -> None:
    tokenizer = tiny_models.encoder_tokenizer()
    texts = ["red apple " * 500, "", "a green pear", "blue " * 900]
    assert read(tokenizer, texts, 12) == tokenizer(texts, truncation=True, max_length=12)["input_ids"]
    assert read(tokenizer, [""], 12) == [[2, 3]]
    assert read(tokenizer, [], 12) == []
