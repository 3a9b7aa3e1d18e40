"""Means over the training rows of a tag: s_t of section 3.2 of the paper.

M experts, T tags. They come of sums over parts of the rows that can be added up, so that a distributed stage maps
`tag_partials` and reduces with `combine_partials`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import fdtri

EVERY = "every query"  # what stands for a tag of all rows
CHANCE = 0.001  # how rarely tags that are all alike may seem to differ


@dataclass(frozen=True)
class TagPartial:
    """Sum of the labels or rewards (M,) of the rows with a tag, their count, and the sum of their squares (M,).

    Squares are of what an expert has beyond the mean over the experts of its query.
    """

    total_M: np.ndarray
    count: int
    squares_M: np.ndarray

    def __add__(self, other: "TagPartial") -> "TagPartial":
        """That of both rows."""
        return TagPartial(self.total_M + other.total_M, self.count + other.count, self.squares_M + other.squares_M)


def tag_partials(values_QM: np.ndarray, tags: Sequence[Sequence[str]]) -> dict[str, TagPartial]:
    """Sums of each tag over some rows."""
    squares_QM = beyond_mean(values_QM) ** 2
    rows = (
        {tag: TagPartial(value_M, 1, squares_M) for tag in row_tags}
        for value_M, squares_M, row_tags in zip(values_QM, squares_QM, tags, strict=True)
    )
    return combine_partials(rows)


def combine_partials(parts: Iterable[Mapping[str, TagPartial]]) -> dict[str, TagPartial]:
    """Add up the partials of disjoint rows."""
    combined: dict[str, TagPartial] = {}
    for part in parts:
        for tag, partial in part.items():
            combined[tag] = combined[tag] + partial if tag in combined else partial
    return combined


def tag_means(partials: Mapping[str, TagPartial], prior_rows: float | Literal["auto"] = 0.0) -> dict[str, np.ndarray]:
    """s_t = mean over the rows with tag t, (M,) each; `prior_rows` rows of the mean of all rows are mixed in.

    What is mixed is how an expert stands to the mean over experts: tags that are hard for all keep their level.
    """
    rows_M = estimated_prior_rows(partials) if prior_rows == "auto" else np.array([prior_rows])
    means = {tag: found.total_M / found.count for tag, found in partials.items()}
    if EVERY not in means:
        return means
    result = {}
    for tag, mean_M in means.items():
        own_M = partials[tag].count / (partials[tag].count + rows_M)
        result[tag] = mean_M.mean() + own_M * beyond_mean(mean_M) + (1 - own_M) * beyond_mean(means[EVERY])
    return result


def beyond_mean(values_QM: np.ndarray) -> np.ndarray:
    """What each expert has beyond the mean over experts, in the last axis."""
    result: np.ndarray = values_QM - values_QM.mean(axis=-1, keepdims=True)
    return result


def estimated_prior_rows(partials: Mapping[str, TagPartial]) -> np.ndarray:
    """After how many rows an expert's mean in a tag counts half, (M,): its variance within tags over that between tags.

    An analysis of variance with random effects, by the method of moments, of what an expert has beyond the mean over
    experts. An expert whose tags differ by no more than chance explains (an F-test) is the same in all tags. Rows with
    several tags count in each, which makes the test many times less strict than it says where tags come together.
    """
    found = [partial for tag, partial in partials.items() if tag != EVERY]
    count_T = np.array([[partial.count] for partial in found], dtype=float)
    rows, between_tags, within_tags = count_T.sum(), len(found) - 1, count_T.sum() - len(found)
    if between_tags < 1 or within_tags < 1:
        return np.zeros(1)
    mean_TM = beyond_mean(np.array([partial.total_M for partial in found])) / count_T
    all_M = (count_T * mean_TM).sum(axis=0) / rows
    squares_M = np.sum([partial.squares_M for partial in found], axis=0)
    # No less than 0: what an expert earns alike on every row leaves the last bits of two equal sums.
    within_M = np.maximum(squares_M - (count_T * mean_TM**2).sum(axis=0), 0.0) / within_tags
    between_M = (count_T * (mean_TM - all_M) ** 2).sum(axis=0) / between_tags
    differs_M = between_M > within_M * fdtri(between_tags, within_tags, 1 - CHANCE)
    beyond_M = differs_M * (between_M - within_M) * between_tags / (rows - (count_T**2).sum() / rows)
    result: np.ndarray = np.divide(within_M, beyond_M, out=np.full_like(within_M, np.inf), where=beyond_M > 0)
    return result
