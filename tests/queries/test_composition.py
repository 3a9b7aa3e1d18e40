"""The composition of a set of queries, in the form of Table 3."""

from collections import Counter

from zooter_ray.queries.composition import Composition, markdown


def test_sources_and_tags_are_listed_with_the_largest_first() -> None:
    composition = Composition(
        read=Counter({"alpaca": 52000, "li|ma": 1000}),
        clean=Counter({"alpaca": 50000, "li|ma": 900}),
        drawn=Counter({"li|ma": 70, "alpaca": 2186}),
        tags=Counter({"code": 12, "maths": 20, "art": 12}),
        untagged=3,
    )
    assert markdown(composition).splitlines() == [
        "# Composition",
        "",
        "| source | read | clean | drawn |",
        "|---|---|---|---|",
        "| alpaca | 52,000 | 50,000 | 2,186 |",
        "| li\\|ma | 1,000 | 900 | 70 |",
        "| all | 53,000 | 50,900 | 2,256 |",
        "",
        "3 tags; 3 drawn queries have none. The most frequent:",
        "",
        "| tag | drawn |",
        "|---|---|",
        "| maths | 20 |",
        "| art | 12 |",
        "| code | 12 |",
    ]
