"""Code in a response."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.grading.code import extract_code

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
        f"{ADD}\nreturn add(1, 2)",
        f"```python\n{ADD}\n```\nIn other words:\n```python\ndef add(a, b):\n    return b + a\n```",
        f'The task:\n```python\ndef add(a, b):\n    """Sum."""\n    pass\n```\nDone:\n```python\n{ADD}\n```',
        f"{ADD}\n<think>Is it right?",
    ],
)
def test_code_is_found_and_cut_where_it_ends(text: str) -> None:
    assert extract_code(text, "add").strip() == ADD


def test_code_keeps_its_imports_and_helpers() -> None:
    code = f"import math\nfrom typing import Any\n\n@staticmethod\ndef helper():\n    pass\n\n{ADD}\n\nprint(add(1, 2))"
    assert extract_code(f"Here you are.\n{code}", "add") == code


def test_blocks_that_import_or_define_belong_to_the_function_behind_them() -> None:
    helper = "def plus(a, b):\n    return a + b"
    blocks = ["import math", helper, "print(plus(1, 2))", "def add(a, b):\n    return plus(a, b)", "add(1, 2)"]
    text = "\n".join(f"And then:\n```python\n{block}\n```" for block in blocks)
    assert extract_code(text, "add") == "\n\n".join([blocks[0], blocks[1], blocks[3]])


@pytest.mark.parametrize("call", ["result = add(2, 3)", "n = int(input())", "print(add(2, 3))"])
def test_blocks_that_compute_do_not(call: str) -> None:
    assert extract_code(f"```python\n{call}\n```\nwith\n```python\n{ADD}\n```", "add") == ADD


def test_code_without_the_entry_point_is_still_the_responses_code() -> None:
    assert extract_code("```python\ndef plus(a, b):\n    return a + b\n```", "add").startswith("def plus")


BEGINNING = "import math\n\ndef helper():\n    return 1\n\ndef add(a, b):\n    '''Sum.'''\n"


def test_code_stands_behind_what_its_beginning_defines() -> None:
    found = extract_code(f"```python\n{ADD}\n```", "add", BEGINNING)
    assert found.startswith("import math\n\ndef helper():\n    return 1\n")
    assert found.rstrip().endswith(ADD)
    assert found.count("def add") == 1


def test_what_must_stand_first_does_behind_other_blocks_too() -> None:
    future = f"from __future__ import annotations\n{ADD}"
    compile(extract_code(f"```python\nimport math\n```\n```python\n{future}\n```", "add"), "<response>", "exec")


@pytest.mark.parametrize("word", ["Solution", "Certainly", "Output: hello"])
def test_a_word_before_the_rest_of_a_body_is_none_of_it(word: str) -> None:
    names: dict[str, Any] = {}
    exec(extract_code(f"{word}\n\n```python\nreturn a + b\n```", "add", BEGINNING), names)
    assert names["add"](2, 3) == 5


def test_what_must_stand_first_does() -> None:
    found = extract_code(f"from __future__ import annotations\nimport re\n{ADD}", "add", BEGINNING)
    assert found.startswith("from __future__ import annotations\nimport math\n")
    assert found.endswith(f"import re\n{ADD}")
    compile(found, "<response>", "exec")


@pytest.mark.parametrize("fence", ["{}", "```python\n{}\n```"])
@pytest.mark.parametrize(
    "body",
    [
        "for n in (b,):\n        a += n\n    return a",  # its first line has lost its indentation
        "for n in (b,):\n    a += n\nreturn a",
        "    for n in (b,):\n        a += n\n    return a",
    ],
)
def test_the_rest_of_a_body_is_indented_as_it_must_be(body: str, fence: str) -> None:
    names: dict[str, Any] = {}
    exec(extract_code(fence.format(body), "add", BEGINNING), names)
    assert names["add"](2, 3) == 5


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
