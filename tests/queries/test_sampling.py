"""Drawing queries: so many for each tag, then so many in all."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.queries.sampling import draw

Row = tuple[str, list[str]]
ids = st.integers(0, 999).map("q{}".format)
tag_lists = st.lists(st.sampled_from(["code", "maths", "history", "food"]), unique=True, max_size=3)
pools = st.dictionaries(ids, tag_lists, max_size=40).map(lambda pool: list(pool.items()))
limits = st.none() | st.integers(1, 20)


def by_tag(rows: list[Row]) -> dict[str, set[str]]:
    tagged: dict[str, set[str]] = defaultdict(set)
    for query_id, tags in rows:
        for tag in tags or [""]:
            tagged[tag].add(query_id)
    return tagged


def test_without_limits_everything_is_drawn() -> None:
    assert draw([("a", ["code"]), ("b", [])], per_tag=None, limit=None, seed=0) == {"a", "b"}


def test_nothing_is_drawn_from_nothing() -> None:
    assert draw([], per_tag=10, limit=10, seed=0) == set()


def test_a_query_counts_for_each_of_its_tags() -> None:
    rows = [("both", ["code", "maths"]), ("plain", [])]
    assert draw(rows, per_tag=1, limit=None, seed=0) == {"both", "plain"}


def test_queries_without_a_tag_share_one_quota() -> None:
    assert len(draw([(f"q{n}", []) for n in range(50)], per_tag=10, limit=None, seed=0)) == 10


def test_other_seeds_draw_other_queries() -> None:
    rows = [(f"q{n}", ["code"]) for n in range(100)]
    assert draw(rows, 10, None, seed=0) != draw(rows, 10, None, seed=1)
    assert draw(rows, None, 10, seed=0) != draw(rows, None, 10, seed=1)


def test_every_query_has_the_same_chance() -> None:
    rows = [(f"q{n}", ["code"]) for n in range(10)]
    drawn = [query_id for seed in range(300) for query_id in draw(rows, 3, None, seed)]
    assert all(60 <= drawn.count(query_id) <= 120 for query_id, _ in rows)  # 90 are expected


@settings(deadline=None)  # the machine may be busy
@given(pools, limits, limits, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_tags_does_not_matter(
    rows: list[Row], per_tag: int | None, limit: int | None, seed: int, random: object
) -> None:
    shuffled = [(query_id, tags[::-1]) for query_id, tags in rows]
    random.shuffle(shuffled)
    assert draw(shuffled, per_tag, limit, seed) == draw(rows, per_tag, limit, seed)


@settings(deadline=None)  # the machine may be busy
@given(pools, st.integers(1, 5))
def test_each_tag_gets_its_quota_and_no_query_is_drawn_without_need(rows: list[Row], per_tag: int) -> None:
    drawn = draw(rows, per_tag, None, seed=0)
    tagged = by_tag(rows)
    for query_ids in tagged.values():
        assert len(query_ids & drawn) >= min(per_tag, len(query_ids))
    assert len(drawn) <= sum(min(per_tag, len(query_ids)) for query_ids in tagged.values())


@settings(deadline=None)  # the machine may be busy
@given(st.dictionaries(ids, st.sampled_from(["code", "maths", "history"]), max_size=40), st.integers(1, 5))
def test_a_tag_of_queries_with_one_tag_each_gets_no_more_than_its_quota(pool: dict[str, str], per_tag: int) -> None:
    drawn = draw([(query_id, [tag]) for query_id, tag in pool.items()], per_tag, None, seed=0)
    for tag in set(pool.values()):
        assert sum(pool[query_id] == tag for query_id in drawn) == min(per_tag, list(pool.values()).count(tag))


@settings(deadline=None)  # the machine may be busy
@given(pools, limits, st.integers(1, 20), st.integers(0, 20))
def test_a_smaller_limit_draws_a_part_of_what_a_larger_one_draws(
    rows: list[Row], per_tag: int | None, limit: int, more: int
) -> None:
    everything = draw(rows, per_tag, None, seed=0)
    larger = draw(rows, per_tag, limit + more, seed=0)
    smaller = draw(rows, per_tag, limit, seed=0)
    assert smaller <= larger <= everything
    assert len(smaller) == min(limit, len(everything))
    assert draw(rows, per_tag, limit, seed=0) == smaller


@settings(deadline=None)  # the machine may be busy
@given(pools, st.integers(1, 5), st.integers(0, 5))
def test_a_smaller_quota_draws_a_part_of_what_a_larger_one_draws(rows: list[Row], per_tag: int, more: int) -> None:
    assert draw(rows, per_tag, None, seed=0) <= draw(rows, per_tag + more, None, seed=0)
