"""YAML and overrides become a config, or one sentence about what is wrong with them."""

from pathlib import Path
from typing import Any

import pydantic
import pytest

from tests.config.conftest import RUN, refused
from zooter_ray.config import dump_config, load_config, load_distill_config
from zooter_ray.errors import ConfigError

# What is read


def test_a_file_becomes_a_config_and_what_it_leaves_out_has_defaults(path: Path) -> None:
    config = load_config(path)
    assert config.run_dir == "runs/test"
    assert [expert.id for expert in config.generation.experts] == ["llama", "terse", "remote"]
    assert config.labeling.beta == 0.3
    assert config.evaluation.draws == 10_000
    assert config.label_reward_model == "reference"


def test_a_config_cannot_be_changed(path: Path) -> None:
    config = load_config(path)
    for owner, name in ((config, "run_dir"), (config.training, "epochs"), (config.generation.experts[0], "id")):
        with pytest.raises(pydantic.ValidationError, match="frozen"):
            setattr(owner, name, "other")


def test_a_dumped_config_reads_back_as_the_same_config(path: Path, tmp_path: Path) -> None:
    config = load_config(
        path, ["generation.experts.1.system_prompt='Größer: kürzer # so'", "labeling.temperature=1e-3"]
    )
    (tmp_path / "dumped.yaml").write_text(dump_config(config), encoding="utf-8")
    assert load_config(tmp_path / "dumped.yaml") == config


# Overrides


@pytest.mark.parametrize(
    ("override", "section", "expected"),
    [
        ("run_dir=elsewhere", "run_dir", "elsewhere"),
        ("labeling.beta=1", "labeling.beta", 1.0),
        ("training.learning_rate=1e-5", "training.learning_rate", 1e-5),
        ("queries.limit=null", "queries.limit", None),
        ("queries.limit=", "queries.limit", None),
        ("evaluation.draws=500", "evaluation.draws", 500),
        ("training.resources.workers=[2, 4]", "training.resources.workers", (2, 4)),
        ("ray.env_vars.MODE=a=b", "ray.env_vars", {"MODE": "a=b"}),
        ("ray={num_cpus: 3}", "ray.num_cpus", 3),
        ("generation.experts.1.system_prompt='Be: kind.'", "generation.experts.1.system_prompt", "Be: kind."),
        ("generation.experts.0.engine.dtype=float16", "generation.experts.0.engine.dtype", "float16"),
        ("queries.sources.1={kind: file, path: p, name: n}", "queries.sources.1.name", "n"),
    ],
)
def test_an_override_replaces_one_value_and_its_value_is_yaml(
    path: Path, override: str, section: str, expected: object
) -> None:
    value: Any = load_config(path, [override])
    for step in section.split("."):
        value = value[int(step)] if step.isdecimal() else getattr(value, step)
    assert value == expected


def test_later_overrides_win_and_leave_everything_else_as_it_is(path: Path) -> None:
    config = load_config(path, ["labeling.beta=0.1", "labeling.beta=0.7"])
    assert config == load_config(path).model_copy(
        update={"labeling": load_config(path).labeling.model_copy(update={"beta": 0.7})}
    )


@pytest.mark.parametrize("override", ["labeling", "=3", "", "labeling.beta 3"])
def test_an_override_without_key_or_value_is_refused(path: Path, override: str) -> None:
    assert refused(path, override) == f"override {override!r} must look like section.key=value"


@pytest.mark.parametrize(
    "override", ["labeling.beta=[1", "labeling.beta={", "labeling.beta='", "labeling.beta=a: b: c"]
)
def test_an_override_whose_value_is_no_yaml_is_refused(path: Path, override: str) -> None:
    assert refused(path, override) == f"override {override!r}: the value is not valid YAML"


@pytest.mark.parametrize("index", ["3", "-1", "llama", ""])
def test_a_list_item_goes_by_an_index_that_exists(path: Path, index: str) -> None:
    key = f"generation.experts.{index}.id"
    assert refused(path, f"{key}=x") == f"override {key}: {index!r} must be an index from 0 to 2"


@pytest.mark.parametrize(("key", "step"), [("run_dir.x", "x"), ("labeling.beta.x.y", "x"), ("run_dir.x.y", "x")])
def test_a_key_inside_a_plain_value_is_refused(path: Path, key: str, step: str) -> None:
    assert refused(path, f"{key}=1") == f"override {key}: {step!r} lies inside a plain value"


# Unknown keys


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("rundir", "run_dir"),
        ("lableing", "labeling"),
        ("labeling.temprature", "temperature"),
        ("queries.decontamination.benchmark", "benchmarks"),
        ("generation.experts.1.sytem_prompt", "system_prompt"),
        ("generation.experts.0.decoding.maxtokens", "max_tokens"),
        ("generation.experts.0.engine.sorce", "source"),
        ("generation.experts.2.engine.baseurl", "base_url"),
        ("generation.experts.0.engine.resources.gpus", "num_gpus"),
        ("queries.sources.0.querycolumn", "query_column"),
        ("scoring.reward_models.0.wall_secs", "wall_seconds"),
        ("scoring.reward_models.1.batchsize", "batch_size"),
    ],
)
def test_an_unknown_key_is_spelled_as_in_the_file_and_names_the_nearest_valid_one(
    path: Path, key: str, nearest: str
) -> None:
    assert refused(path, f"{key}=1") == f"unknown key {key!r}; did you mean {nearest!r}?"


def test_the_nearest_key_is_one_of_the_engine_that_is_meant(path: Path) -> None:
    key = "generation.experts.2.engine.sorce"  # `source` is a key of vLLM engines, but this is an HTTP engine
    assert refused(path, f"{key}=x") == f"unknown key {key!r}; did you mean 'resources'?"


def test_a_misspelled_mandatory_key_is_unknown_rather_than_missing(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN.replace("queries:", "querys:"))
    assert refused(tmp_path / "run.yaml") == "unknown key 'querys'; did you mean 'queries'?"


# Bad values


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("labeling.beta=1.5", "labeling.beta: Input should be less than or equal to 1"),
        ("labeling.temperature=0", "labeling.temperature: Input should be greater than 0"),
        ("queries.limit=many", "queries.limit: Input should be a valid integer"),
        ("training.loss=mse", "training.loss: Input should be 'kl', 'reverse_kl' or 'hard_label'"),
        ("generation.experts.0.engine.max_model_len=x", "generation.experts.0.engine.max_model_len: Input should be"),
        ("generation.experts.2.engine={kind: http}", "key 'generation.experts.2.engine.base_url' is missing"),
        ("generation.experts.0.engine.kind=tgi", "generation.experts.0.engine: Input tag 'tgi'"),
        ("scoring.reward_models.1.dtype=[1]", "scoring.reward_models.1.dtype: Input should be a valid string"),
        ("queries.sources=[]", "queries.sources: List should have at least 1 item"),
        ("queries=null", "queries: Input should be a valid dictionary"),
    ],
)
def test_a_bad_value_is_named_by_its_key_as_in_the_file(path: Path, override: str, message: str) -> None:
    assert refused(path, override).startswith(message)


@pytest.mark.parametrize("value", ["many", "[1, 2, 3]"])
def test_a_bad_number_of_workers_is_named_by_its_key_as_in_the_file(path: Path, value: str) -> None:
    assert refused(path, f"training.resources.workers={value}").startswith("training.resources.workers: ")


# Bad files


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"run_dir: [", "is not valid YAML: "),
        (b"a: b: c", "is not valid YAML: "),
        (b"", "must hold a mapping of settings"),
        (b"- 1\n- 2", "must hold a mapping of settings"),
        (b"\xff\xfe\xfa", "cannot be read: "),
        (b"a: !!python/object/apply:os.getcwd []", "is not valid YAML: "),
    ],
)
def test_a_file_that_holds_no_settings_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    for load in (load_config, load_distill_config):
        with pytest.raises(ConfigError) as raised:
            load(path)
        assert str(raised.value).startswith(f"config file {path} {complaint}")
        assert "\n" not in str(raised.value)


def test_a_file_that_is_missing_or_a_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^config file .*/nothing\.yaml does not exist$"):
        load_config(tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match=r"^config file .* cannot be read: "):
        load_config(tmp_path)
