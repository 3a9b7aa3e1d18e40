"""Duplicates: exact after folding, near by MinHash."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.queries.duplicates import buckets, candidate_pairs, first_of_each, similarity, text_key

WORDS = [f"word{number}" for number in range(5000)]


def text(seed: int, words: int = 60) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


@pytest.mark.parametrize(
    ("one", "other"), [("STRASSE", "straße"), ("ﬁsh", "fish"), ("Ａ１", "a1"), ("Ångström", "A\u030angstro\u0308m")]
)
def test_texts_that_unicode_holds_for_the_same_have_the_same_key(one: str, other: str) -> None:
    assert text_key(one) == text_key(other)


@pytest.mark.parametrize(("one", "other"), [("a b", "ab"), ("a b", "a  b"), ("a.", "a"), ("résumé", "resume")])
def test_texts_that_differ_in_more_have_not(one: str, other: str) -> None:
    assert text_key(one) != text_key(other)


def test_the_smallest_id_of_each_key_comes_first() -> None:
    keys = pa.table({"key": ["x", "y", "x", "x", "y"], "query_id": ["c", "b", "a", "d", "b"]})
    assert first_of_each(keys).tolist() == [2, 1, 2, 2, 1]
    assert first_of_each(keys.slice(0, 0)).tolist() == []


def test_similarity_is_jaccards_over_sets_of_five_words() -> None:
    # a..g has abcde bcdef cdefg; a..f h has abcde bcdef cdefh: 2 of 4.
    assert similarity("a b c d e f g", "A b, c d e f h!") == 0.5
    assert similarity("a b c d e", "a b c d e") == 1.0
    assert similarity("a b c d", "a b c d") == 0.0, "fewer than five words are only ever exact duplicates"


def test_near_duplicates_share_a_bucket() -> None:
    found = 0
    for seed in range(200):
        words = text(seed)
        changed = [*words]
        changed[30] = "other"
        assert 0.83 < similarity(" ".join(words), " ".join(changed)) < 0.84
        found += bool(set(buckets(" ".join(words))) & set(buckets(" ".join(changed))))
    assert found >= 198


def test_different_texts_share_none_and_short_ones_have_none() -> None:
    all_buckets = [number for seed in range(300) for number in buckets(" ".join(text(seed)))]
    assert len(set(all_buckets)) == len(all_buckets)
    assert buckets("only four words here") == []


def pairs(rows: list[tuple[int, str]]) -> set[tuple[str, str]]:
    table = pa.table([[bucket for bucket, _ in rows], [name for _, name in rows]], ["bucket", "query_id"])
    return {tuple(row.values()) for row in candidate_pairs(table).to_pylist()}


def test_pairs_are_those_within_a_bucket_the_smaller_id_second() -> None:
    rows = [(7, "c"), (7, "a"), (7, "b"), (9, "a"), (9, "c"), (1, "d")]
    assert pairs(rows) == {("b", "a"), ("c", "a"), ("c", "b")}
    assert pairs([]) == set()


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcdefgh")), unique=True), st.randoms())
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, str]], shuffler: random.Random) -> None:
    shuffled = [*rows]
    shuffler.shuffle(shuffled)
    expected = {(one, other) for b1, one in rows for b2, other in rows if b1 == b2 and other < one}
    assert pairs(rows) == pairs(shuffled) == expected


def test_a_crowded_bucket_is_compared_with_its_smallest_ids_alone() -> None:
    names = [f"{number:05}" for number in range(1000)]
    found = pairs([(1, name) for name in names])
    assert {other for _, other in found} == set(names[:64])
    assert {one for one, _ in found} == set(names[1:])


def test_estimates_agree_with_the_exact_similarity_on_average() -> None:
    # Of 32 bands of 8 rows, a pair of similarity s shares 32 s^8 on average.
    shared, expected = [], []
    for seed in range(60):
        words = text(seed, 100)
        changed = [*words[: 100 - seed % 12], *text(1000 + seed, seed % 12)]
        one, other = " ".join(words), " ".join(changed)
        shared.append(len(set(buckets(one)) & set(buckets(other))))
        expected.append(32 * similarity(one, other) ** 8)
    assert np.mean(shared) == pytest.approx(np.mean(expected), rel=0.1)
