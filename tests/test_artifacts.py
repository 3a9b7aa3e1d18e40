"""Units on disk: which directory they get, what is in it, when they are complete."""

import errno
import json
import os
import resource
import subprocess
import sys
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zooter_ray import artifacts
from zooter_ray.artifacts import (
    MANIFEST,
    absolute,
    commit,
    drop_duplicates,
    is_complete,
    make_unit,
    parts,
    read_json,
    read_manifest,
    read_table,
    write_bytes,
    write_json,
    write_manifest,
    write_table,
    writing,
)
from zooter_ray.config.generation import DummyEngine, ExpertConfig, GenerationConfig, VllmEngine
from zooter_ray.config.resources import StageResources
from zooter_ray.config.scoring import ScoringConfig, SequenceClassificationReward
from zooter_ray.config.training import TrainingConfig
from zooter_ray.errors import ArtifactError

SCHEMA = pa.schema([("query_id", pa.string()), ("sample", pa.int32()), ("text", pa.string())])
KEYS = ("query_id", "sample")


def table(*rows: tuple[str, int, str]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


@pytest.fixture(params=["local path", "file URI", "memory URI"])
def run_dir(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name = uuid.uuid4().hex
    return {"local path": str(tmp_path), "file URI": tmp_path.as_uri(), "memory URI": f"memory://{name}/run"}[
        request.param
    ]


# Paths and fingerprints


def test_a_quoted_tilde_is_the_home_directory_and_a_uri_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute("~/runs/a") == "/home/me/runs/a"
    assert absolute("s3://bucket/~/a") == "s3://bucket/~/a"


def test_a_unit_lives_in_a_directory_named_by_stage_name_and_fingerprint() -> None:
    unit = make_unit("runs/demo", "02_responses", "llama", {"seed": 0})
    assert unit.path == f"runs/demo/02_responses/llama/{unit.fingerprint}"
    assert unit.rejected == f"{unit.path}/rejected"


def test_the_fingerprint_is_the_same_for_the_same_settings_in_any_order_and_in_any_run_directory() -> None:
    first = make_unit("a", "02_responses", "llama", {"seed": 0, "nested": {"x": 1, "y": 2}})
    again = make_unit("memory://b", "02_responses", "llama", {"nested": {"y": 2, "x": 1}, "seed": 0})
    assert first.fingerprint == again.fingerprint


def test_the_fingerprint_changes_with_settings_stage_name_and_inputs() -> None:
    source = make_unit("run", "01_queries", "queries", {"limit": 10})
    other_source = make_unit("run", "01_queries", "queries", {"limit": 11})
    units = [
        make_unit("run", "02_responses", "llama", {"seed": 0}, [source]),
        make_unit("run", "02_responses", "llama", {"seed": 1}, [source]),
        make_unit("run", "02_responses", "vicuna", {"seed": 0}, [source]),
        make_unit("run", "03_rewards", "llama", {"seed": 0}, [source]),
        make_unit("run", "02_responses", "llama", {"seed": 0}, [other_source]),
        make_unit("run", "02_responses", "llama", {"seed": 0}),
        make_unit("run", "02_responses", "llama", {"seed": 0}, [source, other_source]),
        make_unit("run", "02_responses", "llama", {"seed": 0}, [other_source, source]),
    ]
    assert len({unit.fingerprint for unit in units}) == len(units)


def test_the_fingerprint_changes_with_the_schema_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_unit("run", "01_queries", "queries", {})
    monkeypatch.setattr(artifacts, "SCHEMA_VERSION", artifacts.SCHEMA_VERSION + 1)
    assert make_unit("run", "01_queries", "queries", {}).fingerprint != before.fingerprint


MANY = StageResources(workers=4, num_cpus=2)


@pytest.mark.parametrize(
    ("one", "faster"),
    [
        (DummyEngine(), DummyEngine(concurrency=3, request_log="log", resources=MANY)),
        (
            VllmEngine(source="gpt2"),
            VllmEngine(source="gpt2", batch_size=8, concurrent_batches=9, token_env="TOKEN", resources=MANY),
        ),
        (TrainingConfig(), TrainingConfig(max_failures=9, token_env="TOKEN", resources=MANY)),
        (
            ExpertConfig(id="a", engine=DummyEngine()),
            ExpertConfig(id="a", engine=DummyEngine(concurrency=3)),
        ),
        (
            ScoringConfig(reward_models=[SequenceClassificationReward(id="a", source="b")]),
            ScoringConfig(reward_models=[SequenceClassificationReward(id="a", source="b", batch_size=3)], block_rows=7),
        ),
    ],
    ids=lambda config: type(config).__name__,
)
def test_settings_that_only_change_the_speed_stay_out_of_the_identity_at_any_depth(one: object, faster: object) -> None:
    assert one != faster
    assert one.identity() == faster.identity()
    json.dumps(one.identity())


def test_every_other_setting_is_in_the_identity() -> None:
    experts = [ExpertConfig(id="a", engine=DummyEngine()), ExpertConfig(id="b", engine=DummyEngine(seed=1))]
    config = GenerationConfig(experts=experts)
    changed = [
        GenerationConfig(experts=experts[::-1]),
        GenerationConfig(experts=[experts[0], ExpertConfig(id="b", engine=DummyEngine(seed=2))]),
        GenerationConfig(experts=[experts[0], ExpertConfig(id="c", engine=DummyEngine(seed=1))]),
        GenerationConfig(experts=[experts[0], ExpertConfig(id="b", engine=DummyEngine(seed=1), system_prompt="Hi.")]),
    ]
    assert all(other.identity() != config.identity() for other in changed)


# Completeness


def test_a_unit_is_complete_once_its_manifest_is_there_and_not_before(run_dir: str) -> None:
    unit = make_unit(run_dir, "02_responses", "llama", {"seed": 0})
    assert not is_complete(unit)
    commit(unit.path, table(("a", 0, "x")), KEYS)
    assert not is_complete(unit)
    write_manifest(unit, rows_in=2, rows_out=1, dropped={"too long": 1}, extra={"seconds": 3.5})
    assert is_complete(unit)
    assert not is_complete(make_unit(run_dir, "02_responses", "llama", {"seed": 1}))


def test_the_manifest_says_what_the_unit_was_made_from(run_dir: str) -> None:
    source = make_unit(run_dir, "01_queries", "queries", {})
    unit = make_unit(run_dir, "02_responses", "llama", {"seed": 0}, [source])
    write_manifest(unit, rows_in=2, rows_out=1, dropped={"too long": 1}, extra={"seconds": 3.5})
    manifest = read_manifest(unit)
    assert manifest["fingerprint"] == unit.fingerprint
    assert manifest["inputs"] == [source.fingerprint]
    assert manifest["settings"] == {"seed": 0}
    assert (manifest["rows_in"], manifest["rows_out"], manifest["dropped"]) == (2, 1, {"too long": 1})
    assert manifest["seconds"] == 3.5
    assert manifest["packages"]["pyarrow"] == pa.__version__


def test_a_manifest_of_another_unit_does_not_count(tmp_path: Path) -> None:
    unit = make_unit(str(tmp_path), "02_responses", "llama", {})
    write_json(f"{unit.path}/{MANIFEST}", {"fingerprint": "0123456789abcdef"})
    assert not is_complete(unit)


def test_a_manifest_that_is_no_json_is_an_error_that_names_it(tmp_path: Path) -> None:
    unit = make_unit(str(tmp_path), "02_responses", "llama", {})
    write_bytes(f"{unit.path}/{MANIFEST}", b'{"fingerprint": ')
    with pytest.raises(ArtifactError, match=r"manifest\.json is not valid JSON .* delete it"):
        is_complete(unit)


# Files


def test_what_is_written_is_read_back_from_any_file_system(run_dir: str) -> None:
    write_json(f"{run_dir}/report.json", {"mean": 0.5, "name": "Übung"})
    assert read_json(f"{run_dir}/report.json") == {"mean": 0.5, "name": "Übung"}
    written = table(("a", 0, "x"), ("b", 0, "y"))
    path = commit(f"{run_dir}/unit", written, KEYS)
    assert parts(f"{run_dir}/unit") == [path]
    assert path.startswith(run_dir)
    assert read_table(f"{run_dir}/unit", SCHEMA).equals(written)
    assert read_table(f"{run_dir}/unit", SCHEMA, ["text", "query_id"]).column_names == ["text", "query_id"]


def test_a_written_file_stands_alone_and_replaces_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folders" / "report.json"
    write_bytes(str(target), b"first")
    write_bytes(str(target), b"second")
    assert target.read_bytes() == b"second"
    assert list(target.parent.iterdir()) == [target]


def test_a_path_that_leads_through_a_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first")
    for path in (tmp_path / "file" / "report.json", tmp_path / "file" / "deeper" / "report.json"):
        with pytest.raises(ArtifactError, match=r"^cannot write .*report\.json: a (part of the path is a )?file"):
            write_bytes(str(path), b"content")
    assert (tmp_path / "file").read_text() == "here first"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_directory_in_the_way_stays_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises((ArtifactError, IsADirectoryError)):
        write_bytes(str(tmp_path / "report.json"), b"content")
    assert list(tmp_path.iterdir()) == [tmp_path / "report.json"]
    assert (tmp_path / "report.json").is_dir()


WRITE_TOO_MUCH = """
import sys
from zooter_ray.artifacts import write_bytes
try:
    write_bytes(sys.argv[1], b"x" * 1_000_000)
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("before", [b"what was there before", None])
def test_a_file_that_the_system_cuts_off_leaves_neither_half_of_itself_nor_a_temporary_file(
    tmp_path: Path, before: bytes | None
) -> None:
    target = tmp_path / "part.parquet"
    if before is not None:
        target.write_bytes(before)
    run = subprocess.run(
        [sys.executable, "-c", WRITE_TOO_MUCH, str(target)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)),
    )
    assert run.stdout.strip() == "ArtifactError"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == (
        {} if before is None else {"part.parquet": before}
    )


def test_a_full_disk_is_said_in_one_sentence() -> None:
    with (
        pytest.raises(ArtifactError, match=r"^cannot write runs/report\.json: the disk is full$"),
        writing("runs/report.json"),
    ):
        Path("/dev/full").write_bytes(b"content")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EFBIG, "a file would be larger than this process may write"),
        (errno.ENOENT, "its directory cannot be made"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "permission denied"),
        (errno.EROFS, "the file system is read-only"),
        (errno.ENOTDIR, "a part of the path is a file"),
    ],
)
def test_what_else_a_disk_refuses_is_said_in_one_sentence(number: int, reason: str) -> None:
    with pytest.raises(ArtifactError) as raised, writing("runs/report.json"):
        raise OSError(number, os.strerror(number))
    assert str(raised.value) == f"cannot write runs/report.json: {reason}"


def test_an_error_that_says_nothing_of_the_disk_is_passed_on_as_it_is() -> None:
    with pytest.raises(ConnectionResetError), writing("runs/report.json"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


# Parts


def test_the_same_keys_get_the_same_part_and_other_keys_another(tmp_path: Path) -> None:
    first = commit(str(tmp_path), table(("a", 0, "x"), ("b", 0, "y")), KEYS)
    again = commit(str(tmp_path), table(("a", 0, "other"), ("b", 0, "words")), KEYS)
    assert first == again
    assert len(parts(str(tmp_path))) == 1
    assert commit(str(tmp_path), table(("a", 1, "x"), ("b", 0, "y")), KEYS) != first
    assert read_table(str(tmp_path), SCHEMA).num_rows == 4


def test_a_directory_without_parts_reads_as_an_empty_table(run_dir: str) -> None:
    assert parts(f"{run_dir}/nothing") == []
    empty = read_table(f"{run_dir}/nothing", SCHEMA, ["text", "sample"])
    assert empty.num_rows == 0
    assert empty.schema == pa.schema([SCHEMA.field("text"), SCHEMA.field("sample")])


def test_parts_are_read_in_the_order_of_their_names_and_nothing_else_is_read(tmp_path: Path) -> None:
    for name, text in (("part-b", "second"), ("part-a", "first"), ("other", "no part")):
        write_table(str(tmp_path / f"{name}.parquet"), table((name, 0, text)))
    write_table(str(tmp_path / "rejected" / "part-c.parquet"), table(("c", 0, "rejected")))
    assert read_table(str(tmp_path), SCHEMA)["text"].to_pylist() == ["first", "second"]


def test_drop_duplicates_keeps_each_key_once(run_dir: str) -> None:
    directory = f"{run_dir}/unit"
    commit(directory, table(("a", 0, "x"), ("b", 0, "y")), KEYS)
    commit(directory, table(("b", 0, "y"), ("c", 0, "z")), KEYS)
    commit(directory, table(("b", 1, "another sample"), ("b", 1, "the same one twice")), KEYS)
    assert drop_duplicates(directory, KEYS) == 2
    rows = read_table(directory, SCHEMA)
    kept = sorted(zip(rows["query_id"].to_pylist(), rows["sample"].to_pylist(), strict=True))
    assert kept == [("a", 0), ("b", 0), ("b", 1), ("c", 0)]
    assert drop_duplicates(directory, KEYS) == 0


def test_drop_duplicates_removes_a_part_of_which_nothing_is_left(tmp_path: Path) -> None:
    write_table(str(tmp_path / "part-a.parquet"), table(("a", 0, "x"), ("b", 0, "y")))
    write_table(str(tmp_path / "part-b.parquet"), table(("b", 0, "y")))
    assert drop_duplicates(str(tmp_path), KEYS) == 1
    assert parts(str(tmp_path)) == [str(tmp_path / "part-a.parquet")]


@example([["a2", "b2"], ["b2", "c2"], ["c2"]])
@given(st.lists(st.lists(st.sampled_from(["a2", "b2", "c2", "d2"]), min_size=1, max_size=3), max_size=5))
@settings(deadline=None, max_examples=50)  # the machine may be busy
def test_drop_duplicates_loses_no_key_whatever_ray_ran_twice(blocks: list[list[str]]) -> None:
    directory = f"memory://{uuid.uuid4().hex}"
    for block in blocks:
        commit(directory, table(*((key, 0, "x") for key in block)), KEYS)
    drop_duplicates(directory, KEYS)
    assert sorted(read_table(directory, SCHEMA)["query_id"].to_pylist()) == sorted({key for b in blocks for key in b})


def test_parts_are_found_in_a_directory_whose_name_holds_brackets(tmp_path: Path) -> None:
    path = commit(str(tmp_path / "run[1]"), table(("a", 0, "x")), KEYS)
    assert parts(str(tmp_path / "run[1]")) == [path]


def test_what_goes_through_pyarrows_file_systems_is_written_listed_and_read_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of s3:// and gs://, on the one file system of pyarrow that is everywhere."""
    monkeypatch.setattr(artifacts, "PYARROW_SCHEMES", ("file",))
    unit = artifacts.make_unit(tmp_path.as_uri(), "02_responses", "llama", {})
    for keys in (["a", "b"], ["b", "c"]):
        artifacts.commit(unit.path, pa.table({"key": keys}), ["key"])
    assert artifacts.drop_duplicates(unit.path, ["key"]) == 1
    table = artifacts.read_table(unit.path, pa.schema([("key", pa.string())]))
    assert sorted(table["key"].to_pylist()) == ["a", "b", "c"]
    artifacts.write_manifest(unit, 3, 3, {})
    assert artifacts.is_complete(unit)
    artifacts.remove(unit)
    assert not artifacts.is_complete(unit)
