"""Finds the Python source in a model's response.

Code ends where it no longer compiles, which cuts prose and what was broken off.
"""

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator

from zooter_ray.grading.extraction import without_thinking

_FENCE = re.compile(r"```[ \t]*[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_CODE_LINE = re.compile(r"^(?:(?:def|async def|class|import|from)[ \t]+\w|@\w)", re.MULTILINE)
_FUTURE = re.compile(r"^from __future__ import .*\n", re.MULTILINE)
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = (*_FUNCTION, ast.ClassDef, ast.Import, ast.ImportFrom)


def extract_code(text: str, entry_point: str, beginning: str = "") -> str:
    """Python source of a response, cut where it no longer compiles; "" if there is none.

    The first fenced block that defines the entry point, and does more there than repeat its description, behind the
    blocks before it that define or import; else the text outside any fence from the first line on that looks like code,
    or from the entry point's definition on if prose looked like code; else the first fenced block. With a `beginning`,
    what it defines before the entry point goes before that; and where nothing defines the entry point, the response is
    the rest of its body, or else a fenced block is.
    """
    text = without_thinking(text).replace("\r\n", "\n")
    defines = re.compile(rf"^(?:(?:async +)?def|class) +{entry_point}\b|^{entry_point} *=", re.MULTILINE)
    fenced = [_compiling_prefix(source) for source in _fenced(text)]
    codes = [*fenced, *(_compiling_prefix(source) for source in _unfenced(text, defines))]
    defining = [code for code in codes if defines.search(code)]
    found = next((code for code in defining if not _is_stub(code, entry_point)), next(iter(defining), ""))
    if found in fenced:
        before = [code for code in fenced[: fenced.index(found)] if _only_defines(code) and not defines.search(code)]
        found = _behind(before, found)
    if not beginning:
        return found or next(filter(None, codes), "")
    if found:
        return _behind([defines.split(beginning)[0].rstrip("\n")], found)
    return _with_body(beginning.rstrip(), [text, *_fenced(text)])


def _behind(before: list[str], code: str) -> str:
    """Code behind what it needs; imports from __future__ stand before all."""
    whole = "\n\n".join([*before, code])
    return "".join(_FUTURE.findall(whole)) + _FUTURE.sub("", whole)


def _with_body(head: str, bodies: list[str]) -> str:
    """The head of a function, with the first of the bodies that goes on with it.

    The body may lack its indentation, or that of its first line.
    """
    for body in bodies:
        forms = (body, f"    {body.lstrip()}", textwrap.indent(textwrap.dedent(body), "    "))
        whole = max((_compiling_prefix(f"{head}\n{form}") for form in forms), key=len)
        if len(whole.rstrip()) > len(head) and not any(map(_is_prose, _last_body(whole))):
            return whole
    return _compiling_prefix(head)


def _last_body(code: str) -> list[ast.stmt]:
    """The statements of the function that code ends with."""
    last = ast.parse(code).body[-1]
    return last.body if isinstance(last, _FUNCTION) else []


def _fenced(text: str) -> Iterator[str]:
    for block in _FENCE.finditer(text):
        yield textwrap.dedent(block[1])


def _unfenced(text: str, defines: re.Pattern[str]) -> Iterator[str]:
    for pattern in (_CODE_LINE, defines):
        start = pattern.search(text)
        if start:
            yield text[start.start() :]


def _compiling_prefix(source: str) -> str:
    """Longest run of lines from the first on that compiles, without prose that happens to."""
    lines = source.rstrip().split("\n")
    while lines:
        try:
            tree = _compiled("\n".join(lines))
        except SyntaxError as error:
            # No prefix that still holds the line with the error can compile.
            lines = lines[: min(error.lineno or len(lines), len(lines)) - 1]
        except (ValueError, RecursionError, MemoryError):
            return ""
        else:
            prose = next((node.lineno for node in tree.body if _is_prose(node)), len(lines) + 1)
            return "\n".join(lines[: prose - 1])
    return ""


def _compiled(source: str) -> ast.Module:
    """The tree of a source that compiles, too: a `return` outside of any function parses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        tree = ast.parse(source)
        compile(tree, "<response>", "exec", dont_inherit=True)
    return tree


def _is_prose(statement: ast.stmt) -> bool:
    """Whether a statement computes nothing, like the lines "Explanation", "This is it" and "Output: hello"."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    return isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Call | ast.Constant)


def _is_stub(code: str, entry_point: str) -> bool:
    """Whether a function has a description and nothing that computes, like the question repeated."""
    functions = (node for node in ast.parse(code).body if isinstance(node, _FUNCTION))
    found = next((node for node in functions if node.name == entry_point), None)
    return found is not None and all(map(_says_nothing, found.body))


def _says_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass | ast.Raise)


def _only_defines(code: str) -> bool:
    """Whether running a block does nothing but import and define."""
    return bool(code) and all(isinstance(node, _DEFINITION) for node in ast.parse(code).body)
