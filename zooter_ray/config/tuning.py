"""Settings of a search over the settings of labels and training: `zooter tune`."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from zooter_ray.config.base import Config
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.load import apply_overrides, read_yaml, validate
from zooter_ray.config.run import DistillConfig
from zooter_ray.config.training import TrainingConfig
from zooter_ray.errors import ConfigError

SECTIONS: dict[str, type[Config]] = {"labeling": LabelingConfig, "training": TrainingConfig}
NOT_SEARCHED = {
    "labeling.validation_share": "it decides which rows are held out, so trials could not be compared",
    "labeling.seed": "it decides which rows are held out, so trials could not be compared",
    "training.seed": "tuning.seeds averages over seeds instead",
    "training.caution": "it is for tasks that no row is of, and trials are compared without it",
    "training.embedder": "no router depends on it",
}
# Beside all that makes labels.
CHANGE_THE_LOSS = ("training.loss", "training.class_balance", "training.mask_equal_rewards")
REPEATS = 100  # draws in a row that were there before, after which a space counts as used up


class Range(Config):
    """Values between two bounds, both included; drawn evenly, or evenly in their logarithm."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 where log is true, not {self.low:g}")
        return self

    def draw(self, rng: np.random.Generator, whole: bool) -> float | int:
        """A value of this range; a whole number if the setting is one."""
        low, high = (np.log(self.low), np.log(self.high)) if self.log else (self.low, self.high)
        if whole and not self.log:
            return int(rng.integers(int(low), int(high), endpoint=True))
        drawn = float(rng.uniform(low, high))
        value = float(np.clip(np.exp(drawn), self.low, self.high)) if self.log else drawn
        return round(value) if whole else value


Values = Annotated[
    Annotated[list[Any], Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(lambda values: "range" if isinstance(values, dict | Range) else "list"),
]


class TuningConfig(Config):
    """Settings of the search."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"concurrent"})
    search: Literal["grid", "random"] = "grid"
    space: dict[str, Values] = Field(
        description="values of each setting that is searched: a list, or for a random search {low, high, log}"
    )
    trials: int | None = Field(None, ge=1, description="points of a random search; a grid has as many as it has")
    seeds: list[int] = Field(
        default_factory=list, description="each point is trained once per seed; empty: with the seed of training"
    )
    draws_seed: int = Field(0, ge=0, description="seed of the points of a random search")
    metric: Literal["validation_value", "validation_loss"] = Field(
        "validation_value",
        description="mean over sources of what the chosen expert earns on the validation rows (metrics if there are, "
        "else rewards) before caution, higher is better; or the loss there, lower is better",
    )
    concurrent: int = Field(1, ge=1, description="trials at a time; each takes all workers of training.resources")

    @field_validator("space", mode="before")
    @classmethod
    def _dotted(cls, space: Any) -> Any:
        """Sections written as mappings become dotted names, so that `--set tuning.space.labeling.beta=[...]` works."""
        if not isinstance(space, dict):
            return space
        nested = {name: space[name] for name in SECTIONS if isinstance(space.get(name), dict)}
        flat = {f"{name}.{key}": values for name, section in nested.items() for key, values in section.items()}
        dotted = {**{key: values for key, values in space.items() if key not in nested}, **flat}
        for name, values in dotted.items():
            for key in values if isinstance(values, dict) else ():
                if key not in Range.model_fields:
                    raise ValueError(f"{name} takes a list or low, high and log, not {key!r}")
        return dict(sorted(dotted.items(), key=str))  # the order of the points, however the file is written

    @model_validator(mode="after")
    def _search_has_what_it_needs(self) -> Self:
        if not self.space:
            raise ValueError("space names no setting, so there is nothing to search")
        if self.search == "random" and self.trials is None:
            raise ValueError("a random search needs trials, the number of points to draw")
        if self.search == "grid" and self.trials is not None:
            raise ValueError("trials is for search: random; a grid has as many as its values give")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds holds a seed twice: {self.seeds}")
        for name, values in self.space.items():
            if isinstance(values, Range) and self.search == "grid":
                raise ValueError(f"space: {name} must be a list of values in a grid; search: random draws from ranges")
            if values == []:
                raise ValueError(f"space: {name} has no values")
            if name in NOT_SEARCHED:
                raise ValueError(f"space: {name} cannot be searched: {NOT_SEARCHED[name]}")
            if changes_the_loss(name) and self.metric == "validation_loss":
                raise ValueError(f"metric: validation losses of trials that differ in {name} cannot be compared")
        return self

    @property
    def losses_compare(self) -> bool:
        """Whether the validation losses of all trials are under the same labels and weights."""
        return not any(map(changes_the_loss, self.space))


def changes_the_loss(name: str) -> bool:
    """Whether a setting changes the labels or weights that a loss is of."""
    return name.startswith("labeling.") or name in CHANGE_THE_LOSS


class TuneConfig(DistillConfig):
    """The settings of a search: those that all trials share, and what is searched."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"ray"})
    tuning: TuningConfig

    @model_validator(mode="after")
    def _values_fit_their_settings(self) -> Self:
        for name, values in self.tuning.space.items():
            kinds = _types_of(name)
            if not kinds:
                self.at({name: None})  # says that there is no such setting
            if isinstance(values, Range) and not kinds & {int, float}:
                raise ValueError(f"tuning.space: {name} is no number, so it needs a list of values")
            for value in [values.low, values.high] if isinstance(values, Range) else values:
                self.at({name: value})
        return self

    def at(self, point: Mapping[str, Any]) -> DistillConfig:
        """The settings of one trial: those of all, with the values of `point` (dotted setting -> value).

        Raises:
            ConfigError: for a value that the setting does not take, alone or beside the others.
        """
        values = self.model_dump(mode="json", include=set(DistillConfig.model_fields), exclude_unset=True)
        for name, value in point.items():
            section, key = name.split(".", 1)
            values.setdefault(section, {})[key] = value
        return validate(DistillConfig, values, "tuning.space")

    def points(self) -> list[dict[str, Any]]:
        """The points of the search, no two the same; more random trials go on where fewer ended.

        Raises:
            ConfigError: for values that do not go together, or a random search in a space that has too few points.
        """
        found: dict[str, dict[str, Any]] = {}
        repeats = 0
        for drawn in self._draws():
            taken = self.at(drawn).model_dump(mode="json")
            point = {name: taken[name.split(".")[0]][name.split(".")[1]] for name in drawn}
            repeats = repeats + 1 if repr(point) in found else 0
            if repeats and self.tuning.search == "grid":
                raise ConfigError(f"tuning.space: the grid holds {_shown(point)} twice")
            if repeats > REPEATS:
                raise ConfigError(f"tuning.space has about {len(found)} points, fewer than {self.tuning.trials} trials")
            found[repr(point)] = point
            if len(found) == self.tuning.trials:
                break
        return list(found.values())

    def _draws(self) -> Iterable[dict[str, Any]]:
        """Every point of a grid, or random points without end."""
        space = self.tuning.space
        if self.tuning.search == "grid":
            lists = [values for values in space.values() if isinstance(values, list)]
            yield from (dict(zip(space, values, strict=True)) for values in itertools.product(*lists))
            return
        rng = np.random.default_rng(self.tuning.draws_seed)
        while True:
            yield {name: _draw(name, values, rng) for name, values in space.items()}


def _draw(name: str, values: list[Any] | Range, rng: np.random.Generator) -> Any:
    if isinstance(values, Range):
        kinds = _types_of(name)
        return values.draw(rng, whole=int in kinds and float not in kinds)
    return values[int(rng.integers(len(values)))]


def _types_of(name: str) -> set[Any]:
    """What a setting may be; nothing if there is no such setting."""
    section, _, key = name.partition(".")
    if section not in SECTIONS or not key:
        raise ConfigError(f"tuning.space: {name!r} is no setting of labeling or training")
    field = SECTIONS[section].model_fields.get(key)
    return set() if field is None else set(_parts_of(field.annotation))


def _parts_of(annotation: Any) -> Iterator[Any]:
    """A type and those that it is made of, however deep: of `int | None` int as well."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts_of(part)


def _shown(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in point.items())


def load_tune_config(path: str | Path, overrides: Iterable[str] = (), trials: int | None = None) -> TuneConfig:
    """Read the YAML of a search, apply `a.b.c=value` overrides and the number of trials, and check every point.

    Raises:
        ConfigError: for a missing or malformed file, an unknown key or a bad value.
    """
    asked = [*overrides] + ([] if trials is None else [f"tuning.trials={trials}"])
    config = validate(TuneConfig, apply_overrides(read_yaml(path), asked), str(path))
    config.points()
    return config
