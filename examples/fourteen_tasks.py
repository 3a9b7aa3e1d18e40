"""Fourteen published tasks as queries with references, so that the `reference` reward can grade what experts answer.

python examples/fourteen_tasks.py --input fourteen_tasks.jsonl.gz --output runs/fourteen_tasks.jsonl --per-task 40
zooter run --config jobs/configs/demo.yaml --set run_dir=runs/fourteen --set queries.limit=null --set \\
  'queries.sources=[{kind: file, name: fourteen, path: runs/fourteen_tasks.jsonl, source_column: source,
  reference_column: reference}]' --set queries.eval_share=0.3

Input rows: query_id, query, source, metric, ground_truth and choices (both as text). Rows whose truth fits no check, as
a formula, are left out and counted.
"""

import argparse
import ast
import json
import re
import string
from collections import Counter
from pathlib import Path
from typing import Any

from zooter_ray.errors import DataError
from zooter_ray.grading import parse_reference
from zooter_ray.hashing import hash_fraction
from zooter_ray.row_files import read_rows

Row = dict[str, Any]


def choice(row: Row) -> tuple[str, Row]:
    """A multiple-choice question: the options go below the query."""
    options = ast.literal_eval(row["choices"])
    texts = options["text"] if isinstance(options, dict) else options
    shown = [f"{letter}) {text}" for letter, text in zip(string.ascii_uppercase, texts, strict=False)]
    query = "\n".join([row["query"], *shown, "Answer with the letter."])
    return query, {"check": "choice", "answer": row["ground_truth"].strip(), "choices": texts}


def number(row: Row) -> tuple[str, Row]:
    """A word problem; the truth is the whole text, what stands after #### or what is boxed."""
    truth = row["ground_truth"]
    boxed = re.findall(r"\\boxed\{([^{}]*)\}", truth)
    answer = boxed[-1] if boxed else truth.rpartition("####")[2]
    answer = answer.strip().strip("$% ")
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", answer):
        answer = answer.replace(",", "")  # of thousands; other commas make a list
    return row["query"], {"check": "number", "answer": answer}


def phrase(row: Row) -> tuple[str, Row]:
    """A short fact."""
    return row["query"], {"check": "contains", "answers": [row["ground_truth"]]}


def words(row: Row) -> tuple[str, Row]:
    """A sentence that uses all words."""
    given = [word.strip() for word in row["ground_truth"].split(",")]
    query = f"Write a short text that uses all of these words: {', '.join(given)}."
    return query, {"check": "contains", "answers": given, "mode": "all"}


def code(row: Row) -> tuple[str, Row]:
    """A function that passes its tests: a list of assertions, or HumanEval's `check(candidate)`."""
    truth = row["ground_truth"]
    if "def check(" in truth:
        name = re.findall(r"def (\w+)\(", row["query"])[-1]
        query = f"Complete this Python function:\n```python\n{row['query']}```"
        return query, {"check": "unit_tests", "entry_point": name, "tests": f"{truth}\ncheck({name})\n"}
    asserts = ast.literal_eval(truth)
    name = re.findall(r"assert\s+\(?(?:\w+\()?(\w+)\s*\(", asserts[0])[0]
    query = f"{row['query']} Call it `{name}`."
    return query, {"check": "unit_tests", "entry_point": name, "tests": "\n".join(asserts)}


CHECKS = {
    "em_mc": choice,
    "MATH": number,
    "GSM8K": number,
    "f1_score": phrase,
    "commongen_coverage": words,
    "code_eval": code,
}


def convert(row: Row) -> Row | None:
    """A row as a query with its reference; None if the truth fits no check."""
    try:
        query, reference = CHECKS[row["metric"]](row)
        parse_reference(json.dumps(reference))
    except (DataError, KeyError, SyntaxError, ValueError, IndexError):
        return None
    return {"query_id": row["query_id"], "query": query, "source": row["source"], "reference": reference}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--per-task", type=int, help="queries of each task, drawn by hash; default: all")
    arguments = parser.parse_args()
    rows = [row for _, row in read_rows(arguments.input)]
    converted = [found for row in rows if (found := convert(row)) is not None]
    converted.sort(key=lambda row: hash_fraction(0, row["query_id"]))
    taken: Counter[str] = Counter()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with arguments.output.open("w", encoding="utf-8") as file:
        for row in converted:
            if arguments.per_task is None or taken[row["source"]] < arguments.per_task:
                taken[row["source"]] += 1
                file.write(json.dumps(row) + "\n")
    there, kept = Counter(row["source"] for row in rows), Counter(row["source"] for row in converted)
    for source in sorted(there):
        print(f"{source:20} {there[source]:5} rows, {kept[source]:5} with a check, {taken[source]:4} written")


if __name__ == "__main__":
    main()
