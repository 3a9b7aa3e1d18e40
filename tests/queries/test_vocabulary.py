"""Tag normalisation after InsTag."""

from collections.abc import Sequence

import numpy as np
import pytest

from zooter_ray.queries.vocabulary import folded, make_vocabulary, near_synonyms, singular


def test_case_punctuation_and_plurals_are_folded() -> None:
    raw = ["Web-Development", "web development", "Creative  Writing!", "sorting_algorithm", "Sorting Algorithms", "C++"]
    assert list(folded(raw).values()) == [
        "web development", "web development", "creative writing", "sorting algorithm", "sorting algorithm", "c++",
    ]  # fmt: skip


@pytest.mark.parametrize("tag", ["physics", "news", "mathematics", "css"])
def test_a_plural_whose_singular_is_no_tag_stays_as_it_is(tag: str) -> None:
    assert folded([tag]) == {tag: tag}


@pytest.mark.parametrize(
    ("tag", "single"), [("sql queries", "sql query"), ("analyses", "analysis"), ("a", "a"), ("", "")]
)
def test_the_last_word_is_put_into_the_singular(tag: str, single: str) -> None:
    assert singular(tag) == single


def test_rare_tags_go_after_their_spellings_have_been_counted_together() -> None:
    counts = {"Poems": 2, "poem": 1, "poetry slam": 2, "?!": 9}
    vocabulary = make_vocabulary(counts, folds=True, min_queries=3, merge_similarity=None)
    assert vocabulary.tag_of == {"Poems": "poem", "poem": "poem", "poetry slam": None, "?!": None}
    assert vocabulary.apply(["poem", "poetry slam", "Poems", "never seen"]) == ["poem"]


def test_without_folding_every_spelling_is_a_tag() -> None:
    assert make_vocabulary({"A": 1, "a": 1}, False, 1, None).tag_of == {"A": "A", "a": "a"}


def embed(tags: Sequence[str]) -> np.ndarray:
    """Verse lies 20 degrees from poem, rhyme 20 from verse and 40 from poem; code is far from all."""
    degrees = np.radians([{"poem": 0, "verse": 20, "rhyme": 40, "code": 120}[tag] for tag in tags])
    return np.column_stack([np.cos(degrees), np.sin(degrees)])


def test_near_synonyms_become_the_most_frequent_one() -> None:
    counts = {"verse": 2, "poem": 9, "rhyme": 1, "code": 5}
    # cos 20 = 0.940, cos 40 = 0.766: verse joins poem, and rhyme is too far from poem, who keeps.
    assert near_synonyms(counts, 0.9, embed) == {"poem": "poem", "code": "code", "verse": "poem", "rhyme": "rhyme"}
    assert near_synonyms(counts, 0.7, embed)["rhyme"] == "poem"
    merged = make_vocabulary(counts, folds=True, min_queries=3, merge_similarity=0.9, embed=embed)
    assert merged.tag_of == {"verse": "poem", "poem": "poem", "rhyme": None, "code": "code"}


def test_the_order_of_the_tags_does_not_matter() -> None:
    counts = {"verse": 2, "poem": 2, "rhyme": 2, "code": 2}
    turned = dict(reversed(counts.items()))
    assert near_synonyms(counts, 0.9, embed) == near_synonyms(turned, 0.9, embed)
