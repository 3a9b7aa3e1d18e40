import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from zooter_ray.queries.demo_set import code, demo_queries
from zooter_ray.queries.demo_set.phrasing import load
from zooter_ray.queries.demo_set.templates import Item, Template, rows_of

Row = dict[str, Any]
ROWS = demo_queries()
KINDS = sorted({row["source"] for row in ROWS})
WRITTEN = ("fact", "multiple_choice", "code", "extraction", "completion", "words")


def template_of(row: Row) -> str:
    return row["query_id"].rpartition("/")[0]


def of_kind(kind: str) -> list[Row]:
    return [row for row in ROWS if row["source"] == kind]


def reference(row: Row) -> dict[str, Any]:
    return json.loads(row["reference"])


def quoted(row: Row) -> list[str]:
    return re.findall(r'"([^"]+)"', row["query"])


# Rows


def test_there_are_enough_rows_of_every_kind():
    counts = Counter(row["source"] for row in ROWS)
    assert len(ROWS) >= 700
    assert len(counts) >= 7
    assert all(90 <= count <= 130 for count in counts.values()), counts


def test_a_row_has_these_columns_as_text():
    for row in ROWS:
        assert list(row) == ["query_id", "query", "source", "split", "reference"]
        assert all(isinstance(value, str) and value.strip() == value != "" for value in row.values())
        assert re.fullmatch(rf"{row['source']}/[a-z-]+/\d{{3}}", row["query_id"])


def test_query_ids_and_queries_are_unique():
    assert len({row["query_id"] for row in ROWS}) == len(ROWS)
    assert len({row["query"] for row in ROWS}) == len(ROWS)


def test_queries_are_short_and_every_placeholder_is_filled():
    for row in ROWS:
        assert len(row["query"].split()) <= 60
        assert "$" not in row["query"] + row["reference"]
        assert "  " not in row["query"]


def test_a_seed_gives_the_same_rows_again():
    assert demo_queries(0) == ROWS


def test_another_seed_gives_other_rows_of_the_same_shape():
    other = demo_queries(1)
    shape = [(row["query_id"], row["split"]) for row in ROWS]
    assert sorted((row["query_id"], row["split"]) for row in other) == sorted(shape)
    assert [row["query_id"] for row in other] != [row["query_id"] for row in ROWS]
    for kind in KINDS:
        old, new = ({row["query"] for row in rows if row["source"] == kind} for rows in (ROWS, other))
        assert len(old & new) < len(old) / 2, kind


def test_no_global_random_state_is_used():
    import random

    before = random.getstate()
    demo_queries(3)
    assert random.getstate() == before


@pytest.mark.parametrize("seed", range(2, 12))
def test_every_seed_fills_every_template_without_repeating_a_query(seed):
    rows = demo_queries(seed)
    assert len({row["query"] for row in rows}) == len(rows) == len(ROWS)


def test_the_first_rows_are_a_sample_of_all_kinds():
    assert {row["source"] for row in ROWS[:80]} == set(KINDS)


def test_a_template_that_cannot_keep_its_promise_is_an_error():
    template = Template("same", "train", 2, lambda rng: [Item("Hi?", {}), Item("Hi?", {})])
    with pytest.raises(ValueError, match="kind/same yields 1 different items, not 2"):
        rows_of("kind", template, 0)


# Splits


def test_a_template_is_in_one_split():
    splits = {(template_of(row), row["split"]) for row in ROWS}
    assert len({template for template, _ in splits}) == len(splits)
    assert {split for _, split in splits} == {"train", "eval"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_many_templates_and_about_seventy_percent_of_its_rows_to_train_on(kind):
    templates = {split: {template_of(r) for r in of_kind(kind) if r["split"] == split} for split in ("train", "eval")}
    share = sum(row["split"] == "train" for row in of_kind(kind)) / len(of_kind(kind))
    assert len(templates["train"] | templates["eval"]) >= 8
    assert min(map(len, templates.values())) >= 4
    assert 0.6 < share < 0.8


def test_no_query_to_evaluate_on_is_a_training_query_with_other_numbers():
    skeletons = {
        split: {re.sub(r"\d+", "#", row["query"]) for row in ROWS if row["split"] == split}
        for split in ("train", "eval")
    }
    assert not skeletons["train"] & skeletons["eval"]


# Right answers

SUMS: dict[str, Callable[..., float]] = {
    "arithmetic/add-two": lambda a, b: a + b,
    "arithmetic/subtract-two": lambda a, b: a - b,
    "arithmetic/multiply-two": lambda a, b: a * b,
    "arithmetic/divide-exactly": lambda a, b: a / b,
    "arithmetic/add-three": lambda a, b, c: a + b + c,
    "arithmetic/double": lambda a: a + a,
    "arithmetic/fill-the-gap": lambda a, total: total - a,
    "arithmetic/add-tens": lambda a, b: a + b,
    "arithmetic/less-than": lambda a, b: b - a,
    "arithmetic/percent-of": lambda percent, whole: percent / 100 * whole,
    "arithmetic/add-words": lambda a, b: a + b,
    "arithmetic/difference": lambda a, b: abs(a - b),
    "arithmetic/half-of": lambda a: a / 2,
    "arithmetic/more-than": lambda a, b: a + b,
    "arithmetic/multiply-then-add": lambda a, b, c: a * b + c,
    "word_problem/buy-more": lambda a, b: a + b,
    "word_problem/give-away": lambda a, b: a - b,
    "word_problem/boxes-of": lambda a, b: a * b,
    "word_problem/share-equally": lambda people, things: things / people,
    "word_problem/older-later": lambda age, years: age + years,
    "word_problem/price-of-many": lambda price, count: price * count,
    "word_problem/change-from-note": lambda price, note: note - price,
    "word_problem/walk-every-day": lambda a, b: a * b,
    "word_problem/pick-and-eat": lambda a, b, c: a + b - c,
    "word_problem/bus-stop": lambda people, off, on: people - off + on,
    "word_problem/how-many-more": lambda a, b: a - b,
    "word_problem/hour-of-the-end": lambda start, hours: start + hours,
    "word_problem/pages-left": lambda pages, done: pages - done,
    "word_problem/two-groups": lambda a, b: a + b,
    "completion/count-up": lambda *series: series[-1] + 1,
    "completion/count-in-steps": lambda *series: series[-1] + series[1] - series[0],
    "completion/count-down": lambda *series: series[-1] - 1,
    "completion/doubling": lambda *series: series[-1] * 2,
    "extraction/number": lambda a: a,
    "extraction/price": lambda a: a,
}
SPELLED = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
PARTS = {"dogs legs": 4, "cars wheels": 4, "birds wings": 2, "bicycles wheels": 2, "spiders legs": 8, "cats ears": 2}
PARTS |= {"triangles sides": 3, "tricycles wheels": 3}


@pytest.mark.parametrize("template", SUMS)
def test_sums_come_out_as_computed_from_the_text(template):
    rows = [row for row in ROWS if template_of(row) == template]
    assert rows
    for row in rows:
        numbers = [int(number) for number in re.findall(r"\d+", row["query"])]
        spelled = [SPELLED.index(word) for word in re.findall(r"\w+", row["query"].lower()) if word in SPELLED]
        assert SUMS[template](*(numbers or spelled)) == int(reference(row)["answer"]), row["query"]


def test_parts_are_counted_for_each_thing():
    rows = [row for row in ROWS if template_of(row) == "word_problem/parts-of-many"]
    for row in rows:
        found = re.match(r"A child draws (\d+) (\w+)\. How many (\w+) ", row["query"])
        assert found
        assert int(found[1]) * PARTS[f"{found[2]} {found[3]}"] == int(reference(row)["answer"])


def test_every_number_is_checked_here():
    checked = {*SUMS, "word_problem/parts-of-many", "transformation/count-letters"}
    checked |= {"fact/amount-in-thing", "fact/sides-of-shape"}  # written
    assert {template_of(row) for row in ROWS if reference(row)["check"] == "number"} == checked


CHANGES: dict[str, Callable[[Row], str]] = {
    "upper-case": lambda row: quoted(row)[0].upper(),
    "title-case": lambda row: " ".join(word.capitalize() for word in quoted(row)[0].split()),
    "reverse-word": lambda row: "".join(reversed(next(q for q in quoted(row) if len(q) == 3))),
    "replace-letter": lambda row: quoted(row)[-1] + next(q for q in quoted(row) if len(q) == 3)[1:],
    "remove-letter": lambda row: quoted(row)[0].removeprefix(quoted(row)[0][0]),
    "repeat-word": lambda row: " ".join([quoted(row)[0]] * int(re.findall(r"\d", row["query"])[0])),
    "first-letter": lambda row: quoted(row)[0][0],
    "last-letter": lambda row: quoted(row)[0][-1],
    "sort-numbers": lambda row: ", ".join(sorted(re.findall(r"\d+", row["query"]), key=int)),
    "sort-words": lambda row: ", ".join(sorted(re.findall(r"[a-z]+(?=,)|(?<=, )[a-z]+", row["query"]))),
    "count-letters": lambda row: str(len(quoted(row)[0])),
    "lower-case": lambda row: re.findall(r"\b[A-Z]{2,}\b", row["query"])[0].lower(),
    "swap-words": lambda row: " ".join(quoted(row)[0].split()[::-1]),
    "spell-with-dashes": lambda row: "-".join(quoted(row)[0]),
}


@pytest.mark.parametrize("template", CHANGES)
def test_changes_to_words_come_out_as_computed_from_the_text(template):
    rows = [row for row in ROWS if template_of(row) == f"transformation/{template}"]
    assert rows
    for row in rows:
        assert CHANGES[template](row) == canonical(row), row["query"]


def test_what_is_to_be_found_stands_in_the_text_once():
    for row in of_kind("extraction"):
        copies = re.findall(rf"(?<![\w:]){re.escape(canonical(row))}(?![\w:])", row["query"])
        assert len(copies) == (2 if "/actor/" in row["query_id"] else 1), row["query"]


@pytest.mark.parametrize("kind", ["fact", "transformation", "completion"])
def test_a_query_does_not_contain_its_answer(kind):
    for row in of_kind(kind):
        if reference(row)["check"] == "contains":
            found = [a for a in reference(row)["answers"] if re.search(rf"\b{re.escape(a)}\b", row["query"], re.I)]
            assert not found, row["query"]


def test_options_are_lettered_in_the_query_as_in_the_reference():
    for row in of_kind("multiple_choice"):
        options = re.findall(r"^([A-D])\) (.+)$", row["query"], re.M)
        choices = reference(row)["choices"]
        assert options == list(zip("ABCD", choices, strict=False))
        assert len(set(choices)) == len(choices) in (3, 4)


def test_the_right_option_is_the_one_written_first_or_computed():
    written = {q[0]: q[1] for subject in load("multiple_choice") for q in subject["questions"]}
    computed: dict[str, Callable[[list[str], str], str]] = {
        "largest-number": lambda options, _: max(options, key=int),
        "smallest-number": lambda options, _: min(options, key=int),
        "odd-number": lambda options, _: next(o for o in options if int(o) % 2),
        "longest-word": lambda options, _: max(options, key=len),
        "begins-with": lambda options, letter: next(o for o in options if o.startswith(letter)),
    }
    for row in of_kind("multiple_choice"):
        question, options = row["query"].splitlines()[0], reference(row)["choices"]
        right = options["ABCD".index(reference(row)["answer"])]
        compute = computed.get(template_of(row).split("/")[1])
        assert right == (compute(options, (quoted(row) or [""])[0]) if compute else written[question])


def test_no_letter_is_right_too_often():
    letters = Counter(reference(row)["answer"] for row in of_kind("multiple_choice"))
    assert max(letters.values()) < 0.4 * sum(letters.values())


# Code


def all_problems() -> list[code.Problem]:
    return [problem for family in load("code") for problem in code.problems(family)]


@pytest.mark.parametrize("problem", all_problems(), ids=lambda problem: problem.entry_point)
def test_a_canonical_solution_passes_its_tests_and_a_function_that_returns_nothing_does_not(problem):
    assert problem.tests.count("assert ") >= 3
    assert all(problem.entry_point + "(" in test for test in problem.tests.splitlines())
    exec(problem.solution + problem.tests, {})
    with pytest.raises(AssertionError):
        exec(f"def {problem.entry_point}(*arguments): pass\n{problem.tests}", {})


def test_functions_to_write_have_different_names_and_queries_say_them():
    names = [problem.entry_point for problem in all_problems()]
    assert len(set(names)) == len(names)
    for row in of_kind("code"):
        assert reference(row)["entry_point"] + "(" in row["query"]


# Written data


@pytest.mark.parametrize("name", WRITTEN)
def test_written_words_are_text_and_not_what_yaml_makes_of_yes_or_null(name):
    def leaves(data: Any) -> list[Any]:
        if isinstance(data, dict):
            return [*data, *(leaf for value in data.values() for leaf in leaves(value))]
        return [leaf for value in data for leaf in leaves(value)] if isinstance(data, list) else [data]

    assert all(isinstance(leaf, str | int) and not isinstance(leaf, bool) for leaf in leaves(load(name)))


def test_there_are_a_hundred_facts_and_many_questions():
    assert sum(len(relation["facts"]) for relation in load("fact")) >= 100
    assert sum(len(subject["questions"]) for subject in load("multiple_choice")) >= 80


# Grading


def canonical(row: Row) -> str:
    """A right answer to the row, as a model that follows the instruction writes it."""
    wanted = reference(row)
    match wanted["check"]:
        case "contains":
            return wanted["answers"][0] if wanted["mode"] == "any" else " ".join(wanted["answers"])
        case "unit_tests":
            return next(p.solution for p in all_problems() if p.entry_point == wanted["entry_point"])
        case _:
            return wanted["answer"]


def test_references_parse():
    grading = pytest.importorskip("zooter_ray.grading")
    for row in ROWS:
        assert grading.parse_reference(row["reference"]).check == reference(row)["check"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "code"])
def test_a_right_answer_gets_the_full_reward_and_no_answer_none(kind):
    grading = pytest.importorskip("zooter_ray.grading")
    for row in of_kind(kind):
        parsed = grading.parse_reference(row["reference"])
        assert grading.grade(canonical(row), parsed) == 1.0, row
        assert grading.grade("I do not know.", parsed) == 0.0, row


def test_canonical_code_of_every_template_gets_the_full_reward():
    grading = pytest.importorskip("zooter_ray.grading")
    for row in {template_of(row): row for row in of_kind("code")}.values():
        assert grading.grade(canonical(row), grading.parse_reference(row["reference"])) == 1.0, row
