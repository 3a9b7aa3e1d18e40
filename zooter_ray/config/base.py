"""The base of every config model: frozen, closed to unknown keys, and able to say what it identifies."""

import re
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen settings model.

    `speed_only` names the settings that change how fast a stage runs but not what it makes; they stay out of
    fingerprints, so that a finished run is not thrown away because a replica was added.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)
    speed_only: ClassVar[frozenset[str]] = frozenset()

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is made, as plain JSON values."""
        kept: dict[str, Any] = self.model_dump(mode="json", exclude=set(self.speed_only))
        for name in kept:
            value = getattr(self, name)
            if isinstance(value, Config):
                kept[name] = value.identity()
            elif isinstance(value, list | tuple) and value and all(isinstance(item, Config) for item in value):
                kept[name] = [item.identity() for item in value]
        return kept


def is_safe_id(value: str) -> bool:
    """Whether an id can be a directory and a header: 1 to 64 letters, digits, dots, dashes or underscores."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value) is not None
