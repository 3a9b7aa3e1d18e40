"""AlpacaEval (Li et al., 2023): 805 queries in five subsets, judged against text-davinci-003's answers.

Published as a JSON file of `instruction`, `dataset` (the subset) and `output` (text-davinci-003's answer). `query` and
`subset` are read as well. A grade is 1 for a win, 0.5 for a draw, 0 for a loss, so that means are win rates. The
judge's prompt is this project's own: it asks what AlpacaEval's annotators ask, which of two answers is better.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from zooter_ray.config.benchmarks import AlpacaEval
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, check_subset, first_text
from zooter_ray.evaluation.judges import Question, read_choice
from zooter_ray.hashing import hash_fraction
from zooter_ray.row_files import check_encodes, read_rows

SUBSETS = ("helpful_base", "koala", "oasst", "selfinstruct", "vicuna")
PROMPT = """\
Compare two answers to an instruction and say which one people would prefer: the one that follows the instruction \
better and is more helpful, more accurate and easier to use. Neither the order of the answers nor their length counts.

<instruction>
{instruction}
</instruction>

<answer A>
{first}
</answer A>

<answer B>
{second}
</answer B>

Say briefly what speaks for each answer. Then end with your verdict: [[A]] if answer A is better, [[B]] if answer B is \
better, [[C]] if they are equally good."""


def queries(config: AlpacaEval) -> Iterator[BenchmarkQuery]:
    """The published queries, each with a question about an answer beside the reference's.

    Raises:
        DataError: naming the row that cannot be used, or the query without an answer of the reference.
    """
    references = None if config.references is None else outputs(config.references)
    for position, (where, row) in enumerate(read_rows(config.path)):
        query = query_of(where, row, position)
        found = row.get("output") if references is None else references.get(query.query)
        if not isinstance(found, str):
            raise DataError(f"{where}: there is no output of the reference; give `references` a file that has them")
        yield BenchmarkQuery(
            query.query_id, query.query, query.turns, query.sources,
            questions=(question(query.query_id, query.query, found),),
        )  # fmt: skip


def query_of(where: str, row: Mapping[str, Any], position: int) -> BenchmarkQuery:
    """A published query without questions; its id follows from its position where it has none."""
    text = first_text(where, row, "query", "instruction")
    subset = check_subset(where, first_text(where, row, "subset", "dataset"), SUBSETS)
    query_id = first_text(where, row, "query_id") if "query_id" in row else f"alpaca_eval-{position}"
    return BenchmarkQuery(query_id, text, (text,), (f"alpaca_eval/{subset}",))


def outputs(path: str) -> dict[str, str]:
    """What a file of answers says to each instruction."""
    found = {}
    for where, row in read_rows(path):
        output = row.get("output", row.get("response"))
        if not isinstance(output, str):
            raise DataError(f"{where}: column 'output' must be a text")
        check_encodes(where, "output", [output])
        found[first_text(where, row, "instruction", "query")] = output
    return found


def comes_first(query_id: str) -> bool:
    """Whether the expert's answer is A: by chance, but the same for every expert and in every run."""
    return hash_fraction("alpaca_eval", query_id) < 0.5


def question(query_id: str, instruction: str, reference: str) -> Question:
    """Which is better, the expert's answer or the reference's?"""
    places = ("{answer}", "{reference}") if comes_first(query_id) else ("{reference}", "{answer}")
    template = PROMPT.replace("{first}", places[0]).replace("{second}", places[1])
    return Question(template, {"instruction": instruction, "reference": reference})


def verdict(query: BenchmarkQuery, reply: str) -> float | None:
    """1 where the expert's answer wins, 0.5 for a draw, 0 where it loses; None if the reply says neither."""
    choice = read_choice(reply)
    if choice in (None, "C"):
        return None if choice is None else 0.5
    return float((choice == "A") == comes_first(query.query_id))
