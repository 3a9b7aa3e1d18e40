"""What an engine has in hand, written down, so that the query that kills engines is found and rejected.

Ray starts an engine that died anew and hands it the same rows again, for ever. So rows are written down before an
engine gets them and struck out once they are answered. Rows that were written down before are suspects: the engine
gets them one at a time, and one on which it died alone so many times is rejected.
"""

import hashlib
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zooter_ray.artifacts import Unit, file_system, write_bytes

ENGINE_DEATHS = 2  # of taggers and judges; experts have a setting
DEADLY = "the engine died on this query, {} times"


@dataclass(frozen=True)
class Ledger:
    """A directory with a small file for whatever is in hand; on storage that every node sees."""

    directory: str
    attempts: int  # how often an engine may die on a row that it has alone
    spent: tuple[int, int] = (0, 0)  # prompt and generated tokens of what former runs have committed

    def take(self, key: str) -> int:
        """Write a key down; returns how often it had been taken and never struck out: so many engines died on it."""
        path = self._path(key)
        fs, inner = file_system(path)
        deaths = int(fs.cat_file(inner)) if fs.exists(inner) else 0
        write_bytes(path, str(deaths + 1).encode())
        return deaths

    def strike(self, key: str) -> None:
        """Strike a key out."""
        fs, inner = file_system(self._path(key))
        if fs.exists(inner):
            fs.rm_file(inner)

    def _path(self, key: str) -> str:
        return posixpath.join(self.directory, hashlib.sha256(key.encode()).hexdigest()[:20])


def row_key(row: dict[str, Any]) -> str:
    """What a row is known by."""
    return f"{row['expert']}\n{row['query_id']}\n{row['sample']}"


def block_key(rows: Iterable[dict[str, Any]]) -> str:
    """What some rows are known by together."""
    return "\n\n".join(sorted(map(row_key, rows)))


def new_ledger(units: Iterable[Unit], attempts: int, spent: tuple[int, int] = (0, 0)) -> Ledger:
    """An empty ledger of the rows of some units. What a former run left is forgotten: a killed run accuses nobody."""
    directory = posixpath.join(next(iter(units)).path, "in_hand")
    fs, inner = file_system(directory)
    if fs.exists(inner):
        fs.rm(inner, recursive=True)
    return Ledger(directory, attempts, spent)
