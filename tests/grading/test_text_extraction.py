"""Short answers and code in a response."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.grading.extraction import extract_code, extract_short_answer


@pytest.mark.parametrize(
    "text",
    [
        "olleh",
        "\n\n  olleh  \nwhich is hello reversed",
        '"olleh"',
        "“olleh”.",
        "`olleh`",
        "**olleh**",
        "Answer: olleh",
        "A: olleh",
        "The answer is olleh.",
        '**Final answer:** "olleh".',
        "Answer:\nolleh",
        "Sure! Here it is:\n\nolleh",
        "```text\nolleh\n```",
        "olleh\nQuestion: Reverse abc.\nAnswer: cba",
        "<think>Let me see</think>\nolleh",
    ],
)
def test_a_short_answer_is_the_first_line_without_its_wrapping(text: str) -> None:
    assert extract_short_answer(text) == "olleh"


@pytest.mark.parametrize("text", ["", " \n ", "Answer:", "```\n```"])
def test_a_response_may_have_no_short_answer(text: str) -> None:
    assert extract_short_answer(text) == ""


ADD = "def add(a, b):\n    return a + b"


@pytest.mark.parametrize(
    "text",
    [
        ADD,
        f"```python\n{ADD}\n```",
        f"Sure:\n```\n{ADD}\n```\nIt adds.",
        f"First\n```bash\npip install x\n```\nthen\n```py\n{ADD}\n```",
        "1. Do\n   ```python\n   def add(a, b):\n       return a + b\n   ```",
        f"```python\n{ADD}\n",
        f"Here it is.\n\n{ADD}\n\nThis function adds two numbers.",
        f"import it from here\n{ADD}",
        f"{ADD}\n```\nThat was it.",
        f"{ADD}\n\nExplanation\n\nIt adds.",
        f"{ADD}\nOutput: hello",
        f"{ADD}\nQuestion: Subtract!\ndef sub(a, b):",
        f"{ADD}\ndef test(:",
        f"<think>```python\ndef add(a, b): pass\n```</think>{ADD}",
        f"{ADD}\n".replace("\n", "\r\n"),
    ],
)
def test_code_is_found_and_cut_where_it_ends(text: str) -> None:
    assert extract_code(text, "add").strip() == ADD


def test_code_keeps_its_imports_and_helpers() -> None:
    code = f"import math\nfrom typing import Any\n\n@staticmethod\ndef helper():\n    pass\n\n{ADD}\n\nprint(add(1, 2))"
    assert extract_code(f"Here you are.\n{code}", "add") == code


def test_code_without_the_entry_point_is_still_the_responses_code() -> None:
    assert extract_code("```python\ndef plus(a, b):\n    return a + b\n```", "add").startswith("def plus")


BEGINNING = "import math\n\ndef helper():\n    return 1\n\ndef add(a, b):\n    '''Sum.'''\n"


def test_code_stands_behind_what_its_beginning_defines() -> None:
    found = extract_code(f"```python\n{ADD}\n```", "add", BEGINNING)
    assert found.startswith("import math\n\ndef helper():\n    return 1\n")
    assert found.rstrip().endswith(ADD)
    assert found.count("def add") == 1


def test_a_response_may_go_on_where_its_beginning_ends() -> None:
    assert extract_code("    return a + b\n\nThat is all.", "add", BEGINNING) == f"{BEGINNING}    return a + b\n"


@pytest.mark.parametrize(
    "behind",
    [
        "\n```\n",
        "\n```\n\nThat adds them.",
        "\n\nExample:\n```python\n>>> add(1, 2)\n3\n```",
        "\n\n```\nprint(add(1, 2))\n```",
    ],
)
def test_what_stands_in_a_fence_behind_the_rest_of_a_body_is_not_that_rest(behind: str) -> None:
    assert extract_code(f"    return a + b{behind}", "add", BEGINNING).rstrip() == f"{BEGINNING}    return a + b"


@pytest.mark.parametrize("indent", ["", "    "])
def test_the_rest_of_a_body_may_stand_in_a_fence(indent: str) -> None:
    text = f"The rest is:\n```python\n{indent}c = a + b\n{indent}return c\n```\nThat is all."
    assert extract_code(text, "add", BEGINNING) == f"{BEGINNING}    c = a + b\n    return c"


@pytest.mark.parametrize("text", ["", "I cannot do that.", "```python\ndef add(a, b):\n    return (", "def add(a, b)"])
def test_a_response_may_have_no_code(text: str) -> None:
    assert extract_code(text, "add") == ""


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet="def ad(,b):\n `rtun+\0\\'\"", max_size=100))
def test_extracted_code_always_compiles(text: str) -> None:
    compile(extract_code(text, "add"), "<response>", "exec")
