"""InsTag (Lu et al., 2023): an LLM tags the intentions of a query; its prompt, and how its reply is read."""

import json
import re
from typing import Any

PROMPT = (
    "Please identify tags of user intentions in the following user query and provide an explanation for each tag. "
    'Please respond in the JSON format {{"tag": str, "explanation": str}}.\nUser query: {query}'
)
TAG = re.compile(r'"tag"\s*:\s*("(?:[^"\\]|\\.)*")')


def instag_prompt(query: str) -> str:
    """What the tagger is asked about a query."""
    return PROMPT.format(query=query)


def parse_tags(reply: str) -> list[str] | None:
    """The tags in a reply, in order, each once; None if there is nothing to be read.

    A reply that is cut off, or has words around its JSON, still gives the tags that are whole.
    """
    tags = _tags_of_json(reply)
    if tags is None:
        tags = [_text_of(found) for found in TAG.findall(reply)] or None
    if tags is None:
        return None
    whole = (tag.encode(errors="ignore").decode() for tag in tags)  # half a surrogate pair is no text
    return list(dict.fromkeys(" ".join(tag.split()) for tag in whole if tag.strip()))


def _text_of(literal: str) -> str:
    """The text of a JSON string; escapes that JSON does not know (`data\\_analysis`) stand for what they escape."""
    try:
        found: str = json.loads(literal, strict=False)
    except ValueError:
        found = re.sub(r"\\(.)", r"\1", literal[1:-1])
    return found


def _tags_of_json(reply: str) -> list[str] | None:
    try:
        value = json.loads(reply.strip().removeprefix("```json").strip("`"), strict=False)
    except (ValueError, RecursionError):
        return None
    entries = value if isinstance(value, list) else [value]
    tags: list[Any] = [entry.get("tag") if isinstance(entry, dict) else entry for entry in entries]
    return tags if all(isinstance(tag, str) for tag in tags) else None
