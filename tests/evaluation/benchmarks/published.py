"""Small files in the forms in which benchmarks are published; their content is the tests' own."""

import csv
import json
from pathlib import Path
from typing import Any

ALPACA_EVAL = [
    {"instruction": "Name a river.", "dataset": "koala", "output": "The Rhine.", "generator": "text_davinci_003"},
    {"instruction": "Name a town.", "dataset": "vicuna", "output": "Bonn.", "generator": "text_davinci_003"},
    {"instruction": "Name a hill.", "dataset": "oasst", "output": "Petersberg.", "generator": "text_davinci_003"},
]
FLASK = [
    {"idx": 1, "instruction": "Explain rain.", "answer": "Water falls.", "task": "t", "difficulty": "expert",
     "skill": ["Factuality", "Conciseness"], "domain": ["Natural Science", "Social Science"]},
    {"idx": 2, "instruction": "Add 2 and 2.", "answer": "4", "skill": ["Logical Correctness"], "domain": ["Math"]},
    {"idx": 3, "instruction": "Hm.", "answer": "What?", "skill": ["Comprehension"], "domain": ["-1"]},
]  # fmt: skip
QUESTIONS = [
    {"question_id": 81, "category": "writing", "turns": ["Write a line.", "Write it again."]},
    {"question_id": 111, "category": "math", "turns": ["What is 1 + 1?", "And twice that?"], "reference": ["2", "4"]},
]
REFERENCES = [{"question_id": 111, "model_id": "gpt-4", "choices": [{"index": 0, "turns": ["It is 2.", "It is 4."]}]}]
JUDGE_PROMPTS = [
    {"name": "single-v1", "system_prompt": "Be fair.", "prompt_template": "Rate one. Q: {question} A: {answer}"},
    {"name": "single-math-v1", "system_prompt": "Be fair.",
     "prompt_template": "Rate one. Q: {question} R: {ref_answer_1} A: {answer}"},
    {"name": "single-v1-multi-turn", "system_prompt": "Judge the second.",
     "prompt_template": "Rate two. Q: {question_1} A: {answer_1} Q: {question_2} A: {answer_2}"},
    {"name": "single-math-v1-multi-turn", "system_prompt": "Judge the second.",
     "prompt_template": "Rate two. Q: {question_1} R: {ref_answer_1} A: {answer_1} "
                        "Q: {question_2} R: {ref_answer_2} A: {answer_2}"},
]  # fmt: skip
MMLU = {
    "high_school_geography": [["Which is a river?", "Bonn", "Rhine", "Alps", "Sun", "B"]],
    "astronomy": [
        ["Which is a star?", "Bonn", "Rhine", "Alps", "Sun", "D"],
        ['"Moon", is it', "1", "2,5", "3\nor 4", "5", "A"],
    ],
}
GSM8K = [
    {
        "question": "Ann has 1,000 apples and buys 2. How many has she?",
        "answer": "It is <<1000+2=1002>>1002\n#### 1,002",
    },
    {"question": "Bob has 5 pears and eats one. How many are left?", "answer": "5 - 1 = 4\n#### 4"},
]
DOUBLE = '''from typing import List


def half(x):
    return x / 2


def double(xs: List[int]) -> List[int]:
    """Twice each."""
'''
HUMAN_EVAL = [
    {"task_id": "HumanEval/7", "prompt": DOUBLE, "entry_point": "double",
     "canonical_solution": "    return [2 * x for x in xs]\n",
     "test": "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n"},
]  # fmt: skip


def lines(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def mmlu_directory(path: Path, subjects: dict[str, list[list[str]]] = MMLU) -> str:
    path.mkdir()
    for subject, rows in subjects.items():
        with (path / f"{subject}_test.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    return str(path)


def mt_bench(directory: Path, **changed: list[Any]) -> dict[str, str]:
    """Settings of MT-Bench with its three files."""
    rows = {"path": QUESTIONS, "references": REFERENCES, "judge_prompts": JUDGE_PROMPTS} | changed
    return {"kind": "mt_bench", **{name: lines(directory / f"{name}.jsonl", found) for name, found in rows.items()}}


def every_benchmark(directory: Path) -> list[dict[str, str]]:
    """Settings of all six, with their files."""
    (directory / "alpaca_eval.json").write_text(json.dumps(ALPACA_EVAL))
    return [
        {"kind": "alpaca_eval", "path": str(directory / "alpaca_eval.json")},
        {"kind": "flask", "path": lines(directory / "flask.jsonl", FLASK)},
        mt_bench(directory),
        {"kind": "mmlu", "path": mmlu_directory(directory / "mmlu")},
        {"kind": "gsm8k", "path": lines(directory / "gsm8k.jsonl", GSM8K)},
        {"kind": "human_eval", "path": lines(directory / "HumanEval.jsonl", HUMAN_EVAL)},
    ]
