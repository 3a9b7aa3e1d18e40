"""Decontamination by shared n-grams: section 4.1 of the paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.queries.decontamination import contamination, index_benchmarks
from zooter_ray.queries.ngrams import ngram_hashes, words

GSM = ("gsm8k/1", "Natalia sold clips to 48 of her friends in April.")
MMLU = ("mmlu/7", "Which of her friends in April was the first?")

# Words of the samples and words of the queries have no word in common.
sample_words = st.sampled_from([f"s{n}" for n in range(30)])
query_words = st.sampled_from([f"q{n}" for n in range(30)])
separators = st.sampled_from([" ", "  ", ", ", "\n", " - ", "! "])


def test_words_are_folded_and_punctuation_separates() -> None:
    assert words("  Don't stop—NOW, o'clock\n(3.5%)!") == ["don", "t", "stop", "now", "o", "clock", "3", "5"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("STRASSE", "straße"),
        ("ﬁsh", "fish"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("x²", "x2"),
        ("Ångström", "A\u030angstro\u0308m"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_words_that_unicode_holds_for_the_same_are_the_same(text: str, same: str) -> None:
    assert words(text) == words(same)


def test_ngrams_are_all_runs_of_n_words_in_order() -> None:
    found = ngram_hashes(words("The cat sat, the cat ran."), 2).tolist()
    the_cat, cat_sat, sat_the, again, cat_ran = found
    assert the_cat == again == ngram_hashes(["the", "cat"], 2)[0]
    assert len({the_cat, cat_sat, sat_the, cat_ran, ngram_hashes(["cat", "the"], 2)[0]}) == 5


def test_a_text_of_exactly_n_words_has_one_ngram_and_a_shorter_one_none() -> None:
    assert [len(ngram_hashes(words(text), 3)) for text in ("one two three", "one two", "")] == [1, 0, 0]


def test_hashes_of_many_ngrams_do_not_collide() -> None:
    numbers = [str(number) for number in range(100_000)]
    assert len(np.unique(ngram_hashes(numbers, 6))) == 100_000 - 5
    assert len(np.unique(ngram_hashes(["0", "1"] * 50, 6))) == 2


def test_an_ngram_belongs_to_the_first_sample_that_has_it() -> None:
    index = index_benchmarks([GSM, MMLU], 4)
    assert contamination("of her friends in", index) == ("gsm8k/1", "of her friends in")
    assert contamination("april was the first", index) == ("mmlu/7", "april was the first")
    assert len(index.hash_G) == 7 + 6 - 2  # "of her friends in" and "her friends in April" stand in both


def test_a_query_that_shares_six_words_in_a_row_is_found_with_the_sample_and_the_words() -> None:
    index = index_benchmarks([MMLU, GSM], 6)
    query = "In my story, Anna SOLD clips -- to 48 OF her cousins."
    assert contamination(query, index) == ("gsm8k/1", "sold clips to 48 of her")


def test_a_query_that_shares_five_words_in_a_row_is_clean() -> None:
    index = index_benchmarks([GSM], 6)
    assert contamination("Anna bought clips to 48 of her cousins.", index) is None
    assert contamination("Anna bought clips to 48 of her cousins.", index_benchmarks([GSM], 5)) == (
        "gsm8k/1",
        "clips to 48 of her",
    )


def test_a_sample_of_exactly_six_words_is_found_and_one_of_five_cannot_be() -> None:
    short = [("a", "Name the capital city of France.")]
    assert contamination("Please: name the capital city of France!", index_benchmarks(short, 6))
    shorter = [("a", "Name the capital of France.")]
    assert contamination("Name the capital of France.", index_benchmarks(shorter, 6)) is None


def test_without_benchmarks_every_query_is_clean() -> None:
    assert contamination("Natalia sold clips to 48 of her friends", index_benchmarks([], 6)) is None


@settings(deadline=None)  # the machine may be busy
@given(st.data())
def test_a_query_that_embeds_six_words_in_a_row_of_a_sample_is_always_found(data: st.DataObject) -> None:
    sample = data.draw(st.lists(sample_words, min_size=6, max_size=20))
    start = data.draw(st.integers(0, len(sample) - 6))
    before, after = (data.draw(st.lists(query_words, max_size=8)) for _ in "ab")
    query = [*before, *sample[start : start + 6], *after]
    text = "".join(f"{word.upper() if data.draw(st.booleans()) else word}{data.draw(separators)}" for word in query)
    index = index_benchmarks([("bench/1", " ".join(sample))], 6)
    assert contamination(text, index) == ("bench/1", " ".join(sample[start : start + 6]))


@settings(deadline=None)  # the machine may be busy
@given(st.data())
def test_a_query_that_shares_at_most_five_words_in_a_row_is_never_found(data: st.DataObject) -> None:
    samples = data.draw(st.lists(st.lists(sample_words, min_size=1, max_size=20), min_size=1, max_size=4))
    query: list[str] = []
    for sample in data.draw(st.lists(st.sampled_from(samples), max_size=4)):
        start = data.draw(st.integers(0, len(sample)))
        query += sample[start : start + data.draw(st.integers(0, 5))]
        query.append(data.draw(query_words))
    index = index_benchmarks(((f"bench/{n}", " ".join(sample)) for n, sample in enumerate(samples)), 6)
    assert contamination(" ".join(query), index) is None
