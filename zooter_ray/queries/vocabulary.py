"""Tag normalisation after InsTag: spellings of one tag become one, near-synonyms are merged, rare tags go.

R raw tags, T tags.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import inflection
import numpy as np

from zooter_ray.queries.ngrams import fold

Embed = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Vocabulary:
    """Which tag every raw tag became; None: too rare."""

    tag_of: Mapping[str, str | None]
    queries: Mapping[str, int]  # how many have each raw tag

    def apply(self, raw: Sequence[str]) -> list[str]:
        """The tags of a query, each once, in order."""
        return list(dict.fromkeys(tag for tag in map(self.tag_of.get, raw) if tag is not None))


def make_vocabulary(
    counts: Mapping[str, int], folds: bool, min_queries: int, merge_similarity: float | None, embed: Embed | None = None
) -> Vocabulary:
    """The vocabulary of raw tags and the number of queries that have each.

    Args:
        counts: queries per raw tag.
        folds: whether spellings become one: case, punctuation, plurals.
        min_queries: tags of fewer queries go. Queries with two spellings of a tag count twice here.
        merge_similarity: least cosine of two tags that become one, the more frequent; None keeps all.
        embed: tags -> embeddings (T, D) of unit length, for merging.
    """
    tag_of = folded(list(counts)) if folds else {raw: raw for raw in counts}
    totals: Counter[str] = Counter()
    for raw, count in counts.items():
        totals[tag_of[raw]] += count
    totals.pop("", None)  # of punctuation alone
    merged = {tag: tag for tag in totals}
    if merge_similarity is not None:
        assert embed is not None, "merging needs embeddings"
        merged = near_synonyms(totals, merge_similarity, embed)
    after: Counter[str] = Counter()
    for tag, count in totals.items():
        after[merged[tag]] += count
    kept = {tag for tag, count in after.items() if count >= min_queries}
    final = {raw: merged.get(tag) for raw, tag in tag_of.items()}
    return Vocabulary({raw: tag if tag in kept else None for raw, tag in final.items()}, counts)


def folded(raw_tags: Sequence[str]) -> dict[str, str]:
    """Each raw tag after case and punctuation folding, and in the singular if that stands among the tags as well."""
    plain = {raw: " ".join(re.findall(r"[^\W_]+(?:[+#]+)?", fold(raw))) for raw in raw_tags}
    known = set(plain.values())
    return {raw: single if (single := singular(tag)) in known else tag for raw, tag in plain.items()}


def singular(tag: str) -> str:
    """The tag with its last word in the singular."""
    head, _, last = tag.rpartition(" ")
    return f"{head} {inflection.singularize(last)}".strip() if last else tag


def near_synonyms(counts: Mapping[str, int], similarity: float, embed: Embed) -> dict[str, str]:
    """Each tag -> the most frequent earlier tag that is at least so similar, or itself. By frequency, then by name."""
    tags = sorted(counts, key=lambda tag: (-counts[tag], tag))
    embeddings_TD = embed(tags)
    kept_TD = np.empty_like(embeddings_TD)
    kept: list[str] = []
    merged = {}
    for tag, embedding_D in zip(tags, embeddings_TD, strict=True):
        cosines = kept_TD[: len(kept)] @ embedding_D
        if len(kept) and cosines.max() >= similarity:
            merged[tag] = kept[int(cosines.argmax())]
        else:
            kept_TD[len(kept)] = embedding_D
            kept.append(tag)
            merged[tag] = tag
    return merged
