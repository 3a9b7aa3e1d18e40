"""GSM8K (Cobbe et al., 2021), zero-shot: word problems whose answer is one number.

Published as JSON Lines of `question` and `answer`, a solution that ends in `#### 18`. The number that a response ends
with is read by zooter_ray.grading.
"""

from collections.abc import Iterator

from zooter_ray.config.benchmarks import GSM8K
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, first_text
from zooter_ray.grading import dump_reference
from zooter_ray.grading.numerals import parse_number
from zooter_ray.grading.references import NumberReference
from zooter_ray.row_files import read_rows

SOURCE = "benchmarks/gsm8k"
MARK = "####"
PROMPT = "{question}\n\nThink step by step, and end with a line `#### ` and the answer, which is one number."


def queries(config: GSM8K) -> Iterator[BenchmarkQuery]:
    """The published problems; what is routed is the problem alone.

    Raises:
        DataError: naming the row that cannot be used.
    """
    for position, (where, row) in enumerate(read_rows(config.path)):
        question = first_text(where, row, "question")
        _, mark, end = first_text(where, row, "answer").rpartition(MARK)
        number = parse_number(end.strip()) if mark else None
        if number is None:
            raise DataError(f"{where}: column 'answer' must end in `{MARK}` and a number")
        reference = dump_reference(NumberReference(answer=number))
        prompt = PROMPT.format(question=question)
        yield BenchmarkQuery(f"gsm8k-{position}", question, (prompt,), (SOURCE,), reference)
