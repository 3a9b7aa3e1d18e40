"""MMLU (Hendrycks et al., 2021), zero-shot: multiple choice with four options, over 57 subjects.

Published as a directory of `<subject>_test.csv` without a header: question, A, B, C, D, answer. The option that a
response chooses is read by zooter_ray.grading. The paper counts MMLU as one subset.
"""

import csv
import io
import posixpath
from collections.abc import Iterator

from zooter_ray.artifacts import file_system
from zooter_ray.config.benchmarks import MMLU
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery
from zooter_ray.grading import dump_reference
from zooter_ray.grading.references import ChoiceReference

SOURCE = "benchmarks/mmlu"
ENDING = "_test.csv"
LETTERS = "ABCD"
PROMPT = "Answer this multiple choice question about {subject} with the letter of the right option.\n\n{query}"


def queries(config: MMLU) -> Iterator[BenchmarkQuery]:
    """The published questions, subject by subject; what is routed is the question with its options.

    Raises:
        DataError: if the directory has no such files, or naming the row that cannot be used.
    """
    fs, directory = file_system(config.path)
    files = map(posixpath.basename, fs.ls(directory, detail=False) if fs.isdir(directory) else [])
    names = sorted(name for name in files if name.endswith(ENDING) and not name.startswith("."))
    if not names:
        raise DataError(f"{config.path} is no directory with files called SUBJECT{ENDING}")
    for name in names:
        content = fs.cat_file(posixpath.join(directory, name))
        yield from _subject(posixpath.join(config.path, name), name.removesuffix(ENDING), content)


def _subject(path: str, subject: str, content: bytes) -> Iterator[BenchmarkQuery]:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {error}") from None
    for number, row in enumerate(filter(None, rows), start=1):  # a blank line is no row
        where = f"{path}:row {number}"
        if len(row) != 6:
            raise DataError(f"{where}: 6 columns are needed (question, A, B, C, D, answer), not {len(row)}")
        question, *options, answer = (text.strip() for text in row)
        if answer not in LETTERS or len(answer) != 1:
            raise DataError(f"{where}: the answer must be A, B, C or D, not {answer!r}")
        if not all([question, *options]):
            raise DataError(f"{where}: the question or one of its options is empty")
        lines = (f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=True))
        query = "\n".join([question, *lines])
        choices = tuple(" ".join(option.split()) for option in options)
        reference = dump_reference(ChoiceReference(answer=answer, choices=choices))
        prompt = PROMPT.format(subject=subject.replace("_", " "), query=query)
        yield BenchmarkQuery(f"mmlu-{subject}-{number}", query, (prompt,), (SOURCE,), reference)
