"""YAML file plus dotted overrides -> a validated config, or one sentence about what is wrong with it."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from zooter_ray.config.base import Config
from zooter_ray.config.benchmarks import BenchmarksConfig
from zooter_ray.config.run import DistillConfig, RunConfig
from zooter_ray.errors import ConfigError

C = TypeVar("C", bound=Config)


def load_config(path: str | Path, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a run's YAML and apply `a.b.c=value` overrides (values are YAML; list items go by index).

    Raises ConfigError for a missing or malformed file, an unknown key (with the nearest valid one) or a bad value.
    """
    return validate(RunConfig, apply_overrides(read_yaml(path), overrides), str(path))


def load_distill_config(path: str | Path | None, overrides: Iterable[str] = ()) -> DistillConfig:
    """Like load_config, for a router from an outcomes file; a run's YAML serves as well, its other sections unused."""
    if path is None:
        return validate(DistillConfig, apply_overrides({}, overrides), "overrides")
    values = read_yaml(path)
    if "queries" not in values:
        return validate(DistillConfig, apply_overrides(values, overrides), str(path))
    # What the file leaves unsaid stays so: a default may hang on what is overridden.
    run = load_config(path).model_dump(mode="json", include=set(DistillConfig.model_fields), exclude_unset=True)
    run["labeling"] = run.get("labeling", {}) | dict.fromkeys(("reward_model", "reward_weights", "tagger"))
    return validate(DistillConfig, apply_overrides(run, overrides), str(path))


def load_benchmarks_config(path: str | Path, overrides: Iterable[str] = ()) -> BenchmarksConfig:
    """Like load_config, for benchmarks. `generation` may be the path of a run's YAML, beside this one."""
    values = read_yaml(path)
    if isinstance(values.get("generation"), str):
        run = read_yaml(Path(path).parent / values["generation"])
        values["generation"] = run.get("generation")
    return validate(BenchmarksConfig, apply_overrides(values, overrides), str(path))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        looked_in = "" if Path(path).is_absolute() else f" in {Path.cwd()}"
        raise ConfigError(f"config file {path} does not exist{looked_in}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"config file {path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"config file {path} must hold a mapping of settings")
    return values


def apply_overrides(values: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of nested `values` with each `a.b.c=value` applied."""
    result: dict[str, Any] = yaml.safe_load(yaml.safe_dump(values))
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"override {override!r} must look like section.key=value")
        _assign(result, key, _parse_value(override, text))
    return result


def _parse_value(override: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"override {override!r}: the value is not valid YAML") from None


def _assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    node: Any = values
    for parent in parents:
        if isinstance(node, list):
            node = _item(node, parent, dotted)
        elif isinstance(node, dict):
            node[parent] = {} if node.get(parent) is None else node[parent]
            node = node[parent]
        else:
            raise ConfigError(f"override {dotted}: {parent!r} lies inside a plain value")
    if isinstance(node, list):
        _item(node, last, dotted)
        node[int(last)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"override {dotted}: {last!r} lies inside a plain value")


def _item(items: list[Any], index: str, dotted: str) -> Any:
    if not index.isdecimal() or int(index) >= len(items):
        if not items:
            raise ConfigError(f"override {dotted}: the list is empty; set it as a whole")
        raise ConfigError(f"override {dotted}: {index!r} must be an index from 0 to {len(items) - 1}")
    return items[int(index)]


def validate(model: type[C], values: dict[str, Any], where: str) -> C:
    """`values` as a `model`; the first thing wrong becomes a ConfigError that names `where` and the key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
        first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
        raise ConfigError(f"{where}: {_explain(model, first)}") from None


def _explain(model: type[BaseModel], problem: Any) -> str:
    owners, path = _walk(model, problem["loc"])
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_suggestion(owners, path[-1])}"
    if problem["type"] == "missing":
        return f"key {key!r} is missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def _suggestion(owners: list[type[BaseModel]], unknown: str) -> str:
    valid = sorted({name for owner in owners for name in owner.model_fields})
    nearest = difflib.get_close_matches(unknown, valid, n=1, cutoff=0.0)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _walk(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[list[type[BaseModel]], list[str]]:
    """The models that may own the last step of `location`, and the path as a YAML file spells it.

    pydantic's location holds field names, list indices and, for unions, the discriminator's value; the last is no
    part of the path.
    """
    owners: list[type[BaseModel]] = []
    candidates: list[type[BaseModel]] = [model]
    path: list[str] = []
    for step in location:
        tagged = [candidate for candidate in candidates if _tag(candidate) == step]
        if tagged:
            candidates = tagged
            continue
        if isinstance(step, str) and not candidates:
            continue  # a member of an untagged union, such as `int`
        path.append(str(step))
        if isinstance(step, str):
            owners = candidates
            fields = [owner.model_fields[step] for owner in owners if step in owner.model_fields]
            candidates = [found for field in fields for found in _models_in(field.annotation)]
    return owners, path


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (list, tuple, dict, Union, UnionType) or hasattr(annotation, "__metadata__"):
        return [found for argument in get_args(annotation) for found in _models_in(argument)]
    return []


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return None if kind is None else str(get_args(kind.annotation)[0])


def dump_config(config: Config) -> str:
    """The resolved config as YAML; reading it back gives the same config."""
    text: str = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text
