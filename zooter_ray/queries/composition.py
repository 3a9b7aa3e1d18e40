"""What a set of queries is made of, in the form of the paper's Table 3: rows by source, and by tag."""

from collections import Counter
from dataclasses import dataclass, field

SHOWN_TAGS = 30


@dataclass(frozen=True)
class Composition:
    """Rows by source (all that were read, those that are clean, those that were drawn), and drawn rows by tag."""

    read: Counter[str] = field(default_factory=Counter)
    clean: Counter[str] = field(default_factory=Counter)
    drawn: Counter[str] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)
    untagged: int = 0


def markdown(composition: Composition) -> str:
    """Two tables, largest first."""
    sources = sorted(composition.read, key=lambda name: (-composition.drawn[name], name))
    rows = [(name, composition.read[name], composition.clean[name], composition.drawn[name]) for name in sources]
    total = [sum(counts.values()) for counts in (composition.read, composition.clean, composition.drawn)]
    tags = sorted(composition.tags.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        "# Composition",
        "",
        "| source | read | clean | drawn |",
        "|---|---|---|---|",
        *(f"| {cell(name)} | {read:,} | {clean:,} | {drawn:,} |" for name, read, clean, drawn in rows),
        f"| all | {total[0]:,} | {total[1]:,} | {total[2]:,} |",
        "",
        f"{len(tags):,} tags; {composition.untagged:,} drawn queries have none. The most frequent:",
        "",
        "| tag | drawn |",
        "|---|---|",
        *(f"| {cell(tag)} | {count:,} |" for tag, count in tags[:SHOWN_TAGS]),
    ]
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Other people's text in a table."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
