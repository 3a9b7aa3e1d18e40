"""Figures of merit: means and ranks per source, paired bootstrap intervals, the gap to the oracle."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

COUNTS_TOGETHER = 2**22
UNGROUPED = ""


@dataclass(frozen=True)
class Interval:
    """A difference and its bootstrap interval."""

    difference: float
    low: float
    high: float


def source_means(value_Q: np.ndarray, sources: Sequence[str]) -> dict[str, float]:
    """Mean of the values over the rows of each source, sources sorted."""
    labels = np.array(sources)
    return {source: float(value_Q[labels == source].mean()) for source in sorted(set(sources))}


def mean_over_sources(value_Q: np.ndarray, sources: Sequence[str]) -> float:
    """Mean of the source means: every source counts the same, however many rows it has."""
    return float(np.mean(list(source_means(value_Q, sources).values())))


def paired_bootstrap(
    difference_KQ: np.ndarray, sources: Sequence[str], draws: int, confidence: float, seed: int
) -> list[Interval]:
    """Percentile intervals of the mean over sources of K differences between methods, all on the same rows.

    Rows are drawn anew within each source: the counts of a source's n rows in a draw are multinomial, so the means of
    all differences over some draws are one product of matrices. A draw varies by (n - 1) / n of what n rows do, and is
    spread by as much (Davison and Hinkley, 1997).
    """
    rng = np.random.default_rng(seed)
    labels = np.array(sources)
    means = [_drawn_means(difference_KQ[:, labels == source], draws, rng) for source in sorted(set(sources))]
    tail = (1 - confidence) / 2
    low_K, high_K = np.quantile(np.mean(means, axis=0), [tail, 1 - tail], axis=1)
    return [
        Interval(mean_over_sources(difference_Q, sources), float(low), float(high))
        for difference_Q, low, high in zip(difference_KQ, low_K, high_K, strict=True)
    ]


def _drawn_means(rows_KN: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means (K, draws) of rows drawn with replacement, some draws at a time to bound the memory."""
    count = rows_KN.shape[1]
    chance = np.full(count, 1 / count)
    together = max(1, COUNTS_TOGETHER // count)
    chunks = (min(together, draws - start) for start in range(0, draws, together))
    drawn = np.concatenate([rows_KN @ rng.multinomial(count, chance, size=size).T / count for size in chunks], axis=1)
    mean_K1 = rows_KN.mean(axis=1, keepdims=True)
    result: np.ndarray = mean_K1 + (drawn - mean_K1) * np.sqrt(count / max(count - 1, 1))
    return result


@dataclass(frozen=True)
class Standing:
    """Where a method stands among those that it is ranked against."""

    mean_task_rank: float
    uplift: float
    per_group: dict[str, float]  # MTR over the rows of each group


def grouped(sources: Iterable[str]) -> dict[str, list[str]]:
    """The sources of each group, in their order: `flask/law` is of the group `flask`, `gsm8k` is UNGROUPED."""
    groups: dict[str, list[str]] = {}
    for source in sources:
        groups.setdefault(source.partition("/")[0] if "/" in source else UNGROUPED, []).append(source)
    return groups


def ranked_rows(sources: Iterable[str], include_overall: bool) -> list[tuple[str, list[str]]]:
    """What is ranked: group and sources of each row. A row is a source or, if asked for, the average of a group."""
    rows: list[tuple[str, list[str]]] = []
    for group, members in grouped(sources).items():
        rows += [(group, [source]) for source in members]
        rows += [(group, members)] if include_overall else []
    return rows


def standings(
    means: Sequence[Mapping[str, float]], is_rival_K: Sequence[bool], include_overall: bool = False
) -> list[Standing]:
    """MTR, uplift and MTR per group of each method; section 4.1 of the paper.

    MTR is the mean of a method's ranks, uplift the share of the rows on which it is the best of those that it is
    ranked against.

    Args:
        means: mean on each source, of each method; all of the same sources.
        is_rival_K: which methods the others are ranked against.
        include_overall: whether the average of each group is one more row.
    """
    rows = ranked_rows(means[0], include_overall)
    value_KR = np.array([[np.mean([of[source] for source in members]) for _, members in rows] for of in means])
    rank_KR = task_ranks(value_KR, np.array(is_rival_K))
    group_R = np.array([group for group, _ in rows])
    return [
        Standing(
            mean_task_rank=float(rank_R.mean()),
            uplift=float((rank_R == 1).mean()),
            per_group={group: float(rank_R[group_R == group].mean()) for group in dict.fromkeys(group_R.tolist())},
        )
        for rank_R in rank_KR
    ]


def task_ranks(value_KR: np.ndarray, is_rival_K: np.ndarray) -> np.ndarray:
    """Rank (K, R) of each method on each row: one more than there are better rivals; ties take the better rank.

    Args:
        value_KR: what K methods earn on R rows.
        is_rival_K: which methods the others are ranked against: the single experts, as the figures of the paper's
            Table 1 ask for, or all methods.
    """
    value_KR = value_KR.round(9)  # means of the same choices may differ in their last bits
    better_KKR = value_KR[None, :, :] > value_KR[:, None, :]
    result: np.ndarray = 1 + (better_KKR & is_rival_K[None, :, None]).sum(axis=1)
    return result


def gap_closed(method: float, single: float, oracle: float) -> float | None:
    """Share of the way from the best single expert to the oracle; None where there is no gap."""
    return None if oracle <= single else (method - single) / (oracle - single)
