"""The directory of a search: what is searched over which outcomes, and what is known of each trial.

tuning.json           the settings and a hash of the outcomes, by which the same search is known again
outcomes.parquet      the outcomes, where every node finds them, with the tags that all trials share
shared/               features of a frozen encoder, until the search ends
trials/NNNN/          result.json once the trial is done; before that, and of the best so far, its labels and router
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zooter_ray.artifacts import absolute, read_json, write_bytes, write_json
from zooter_ray.config import DistillConfig
from zooter_ray.config.queries import ClustersTagger
from zooter_ray.config.tuning import TuneConfig
from zooter_ray.errors import ArtifactError, DataError
from zooter_ray.labels import with_validation
from zooter_ray.outcomes import outcomes_table, read_outcomes
from zooter_ray.package_models import absolute_source

TUNING_JSON = "tuning.json"
OUTCOMES_FILE = "outcomes.parquet"
RESULT_JSON = "result.json"


@dataclass(frozen=True)
class Trial:
    """One training: a point of the search, with one seed."""

    number: int
    point: int  # its place among the points
    values: Mapping[str, Any]  # of the settings that are searched
    seed: int
    config: DistillConfig
    directory: str


@dataclass(frozen=True)
class Experiment:
    """A search and where it lives."""

    config: TuneConfig
    directory: Path
    trials: list[Trial]

    @property
    def outcomes(self) -> str:
        """The outcomes, where every node finds them."""
        return str(self.directory / OUTCOMES_FILE)

    @property
    def shared(self) -> str:
        """What several trials need alike."""
        return str(self.directory / "shared")

    def results(self) -> dict[int, dict[str, Any]]:
        """What is known of the trials that are done, by number."""
        files = {trial.number: Path(trial.directory, RESULT_JSON) for trial in self.trials}
        return {number: read_json(str(file)) for number, file in files.items() if file.exists()}


def prepare(config: TuneConfig, outcomes_path: str, output: str) -> Experiment:
    """Begin a search in the directory `output`, or find the one that was begun there.

    Raises:
        ConfigError: for values of settings that do not go together.
        DataError: for a bad outcomes file, or one without rows to train on or to validate with.
        ArtifactError: if something else is in the way.
    """
    if "://" in output:
        raise ArtifactError(f"{output}: the directory of a search must be local, or mounted on every node")
    directory = Path(absolute(output))
    trials = list(_trials(config, directory))
    outcomes = read_outcomes(outcomes_path)
    _check_splits(with_validation(outcomes, config.labeling).splits, outcomes_path)
    sink = pa.BufferOutputStream()
    pq.write_table(outcomes_table(outcomes), sink)
    content = sink.getvalue().to_pybytes()
    search = {**config.identity(), "outcomes": hashlib.sha256(content).hexdigest()}
    del search["tuning"]["trials"]  # with more of them, the same search goes on
    _check_same(search, directory, outcomes_path)
    if (held := len(list(directory.glob(f"trials/*/{RESULT_JSON}")))) > len(trials):
        raise ArtifactError(f"{directory} holds {held} trials, more than {len(trials)}; choose another --output")
    if not (directory / TUNING_JSON).exists():
        write_bytes(str(directory / OUTCOMES_FILE), content)
        write_json(str(directory / TUNING_JSON), search)
    return Experiment(config, directory, trials)


def _trials(config: TuneConfig, directory: Path) -> Iterator[Trial]:
    """Every point with every seed; the embedder serves a baseline alone, so trials do without."""
    seeds = config.tuning.seeds or [config.training.seed]
    for index, point in enumerate(config.points()):
        for position, seed in enumerate(seeds):
            number = index * len(seeds) + position
            settings = config.at({**point, "training.seed": seed, "training.embedder": None})
            trial = str(directory / "trials" / f"{number:04}")
            yield Trial(number, index, point, seed, from_anywhere(settings), trial)


def from_anywhere(config: DistillConfig) -> DistillConfig:
    """The same settings with absolute paths of models, since Ray Tune gives every trial a directory of its own."""
    training = config.training.model_copy(update={"backbone": absolute_source(config.training.backbone)})
    tagger = config.labeling.tagger
    if isinstance(tagger, ClustersTagger):
        tagger = tagger.model_copy(update={"embedder": absolute_source(tagger.embedder)})
    labeling = config.labeling.model_copy(update={"tagger": tagger})
    return config.model_copy(update={"training": training, "labeling": labeling})


def _check_splits(splits: list[str], path: str) -> None:
    counts = {split: splits.count(split) for split in ("train", "validation")}
    if not all(counts.values()):
        raise DataError(
            f"{path}: a search needs rows to train on and rows to validate with; there are {counts['train']} and "
            f"{counts['validation']}; labeling.validation_share decides"
        )


def _check_same(search: Mapping[str, Any], directory: Path, outcomes_path: str) -> None:
    """Refuse a directory in which another search, or something else, lies."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    if not (directory / TUNING_JSON).is_file():
        raise ArtifactError(f"{directory} exists already and is no search; choose another --output")
    before, now = (dict(_flat(one)) for one in (read_json(str(directory / TUNING_JSON)), search))
    if changed := sorted(name for name in {*before, *now} if before.get(name) != now.get(name)):
        what = f"the outcomes {outcomes_path}" if changed == ["outcomes"] else changed[0]
        raise ArtifactError(f"{directory} holds a search that differs in {what}; choose another --output")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
