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
        tags = [json.loads(found, strict=False) for found in TAG.findall(reply)] or None
    if tags is None:
        return None
    return list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))


def _tags_of_json(reply: str) -> list[str] | None:
    try:
        value = json.loads(reply.strip().removeprefix("```json").strip("`"), strict=False)
    except ValueError:
        return None
    entries = value if isinstance(value, list) else [value]
    tags: list[Any] = [entry.get("tag") if isinstance(entry, dict) else entry for entry in entries]
    return tags if all(isinstance(tag, str) for tag in tags) else None
