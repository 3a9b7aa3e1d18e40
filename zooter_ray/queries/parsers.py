"""The query in a record, in the four forms that instruction data come in.

column         a text in a named column
conversations  ShareGPT's form: turns of `from` and `value`, or a bare list of texts, which the user begins
messages       OpenAI's form: turns of `role` and `content`, a text or a list of parts
instruction    an instruction and an optional input

A column may lie deeper: `request.messages`, `instances.0.input`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from zooter_ray.config.queries import FileSource
from zooter_ray.errors import DataError

USERS = ("human", "user", "prompter")
NO_INPUT = ("", "<noinput>")


def query_of(record: Mapping[str, Any], source: FileSource) -> str:
    """The first user turn of a record, or its instruction; empty if the record has none.

    Raises:
        DataError: if the record is not of the form that the source says.
    """
    value = value_at(record, source.column)
    text = PARSERS[source.parser](value, source.column)
    if source.parser == "instruction" and text.strip():
        extra = text_of(value_at(record, source.input_column), source.input_column).strip()
        return text if extra.casefold() in NO_INPUT else f"{text}\n\n{extra}"
    return text


def value_at(record: Mapping[str, Any], column: str) -> Any:
    """What stands in a column, which may be a path through objects and lists; None if there is no such place."""
    if column in record:
        return record[column]
    value: Any = record
    for step in column.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def text_of(value: Any, column: str) -> str:
    """A text; empty for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"column {column!r} must hold a text, not {type(value).__name__}")
    return value


def first_of_conversation(value: Any, column: str) -> str:
    """The first user turn of ShareGPT's form."""
    turns = _turns(value, column)
    if turns and isinstance(turns[0], str):
        return str(turns[0])
    return _first_by(turns, column, "from", "value")


def first_of_messages(value: Any, column: str) -> str:
    """The first user turn of OpenAI's form."""
    return _first_by(_turns(value, column), column, "role", "content")


def _turns(value: Any, column: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"column {column!r} must hold a list of turns, not {type(value).__name__}")
    return value


def _first_by(turns: list[Any], column: str, role: str, content: str) -> str:
    for turn in turns:
        if not isinstance(turn, Mapping) or role not in turn:
            raise DataError(f"column {column!r}: a turn must be an object with {role!r} and {content!r}")
        if str(turn[role]).casefold() in USERS:
            return _content(turn.get(content), f"{column}.{content}")
    return ""


def _content(value: Any, column: str) -> str:
    """A turn's text; of OpenAI's list of parts the texts, since a router reads nothing else."""
    if isinstance(value, list):
        texts = [part.get("text") for part in value if isinstance(part, Mapping) and part.get("type") == "text"]
        return "\n".join(text_of(text, column) for text in texts)
    return text_of(value, column)


PARSERS: dict[str, Callable[[Any, str], str]] = {
    "column": text_of,
    "conversations": first_of_conversation,
    "messages": first_of_messages,
    "instruction": text_of,
}
