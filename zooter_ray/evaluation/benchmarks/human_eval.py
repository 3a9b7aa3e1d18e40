"""HumanEval (Chen et al., 2021), zero-shot: Python functions that must pass their unit tests (pass@1, greedy).

Published as JSON Lines (.gz) of `task_id`, `prompt`, `entry_point`, `test` and `canonical_solution`. A response may
hold the whole function or the rest of its body. It runs in the sandbox of zooter_ray.grading.
"""

from collections.abc import Iterator

from pydantic import ValidationError

from zooter_ray.config.benchmarks import HumanEval
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, first_text
from zooter_ray.grading import dump_reference
from zooter_ray.grading.references import UnitTestsReference
from zooter_ray.row_files import read_rows

SOURCE = "benchmarks/human_eval"
PROMPT = (
    "Complete this Python function. Answer with the whole function, imports included, in one block of code.\n\n"
    "```python\n{code}\n```"
)


def queries(config: HumanEval) -> Iterator[BenchmarkQuery]:
    """The published problems; what is routed is the beginning of the function as it is published.

    Raises:
        DataError: naming the row that cannot be used.
    """
    for where, row in read_rows(config.path):
        code, name = first_text(where, row, "prompt"), first_text(where, row, "entry_point")
        tests = f"{first_text(where, row, 'test')}\n\ncheck({name})"
        try:
            reference = UnitTestsReference(entry_point=name, tests=tests, beginning=code)
        except ValidationError as error:
            raise DataError(f"{where}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
        task = first_text(where, row, "task_id").rpartition("/")[2]
        prompt = PROMPT.format(code=code.strip())
        yield BenchmarkQuery(f"human_eval-{task}", code, (prompt,), (SOURCE,), dump_reference(reference))
