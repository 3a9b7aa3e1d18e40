"""Settings of the benchmarks: who has to be there, and whose experts they are."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from zooter_ray.config import load_benchmarks_config
from zooter_ray.errors import ConfigError

DUMMY = {"kind": "dummy"}
REFERENCE = {"kind": "reference"}
POOL = {"experts": [{"id": "a", "engine": DUMMY}, {"id": "b", "engine": DUMMY}]}
GSM8K = {"kind": "gsm8k", "path": "test.jsonl"}
ALPACA_EVAL = {"kind": "alpaca_eval", "path": "alpaca_eval.json"}
ANNOTATIONS = {"kind": "annotations", "path": "q.json", "experts": {"a": "a.json", "b": "b.json"}}


def written(directory: Path, **settings: Any) -> Path:
    path = directory / "benchmarks.yaml"
    path.write_text(yaml.safe_dump({"run_dir": "run", "benchmarks": [GSM8K], "generation": POOL} | settings))
    return path


def test_the_last_three_are_greedy_by_default(tmp_path: Path) -> None:
    kinds: list[dict[str, Any]] = [GSM8K, {"kind": "mmlu", "path": "test"}, {"kind": "human_eval", "path": "h.jsonl"}]
    config = load_benchmarks_config(written(tmp_path, benchmarks=[*kinds, ALPACA_EVAL], judge={"engine": DUMMY}))
    assert [getattr(one, "greedy", None) for one in config.benchmarks] == [True, True, True, False]


def test_the_experts_may_be_those_of_a_run_and_are_still_open_to_overrides(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"run_dir": "elsewhere", "generation": POOL}))
    path = written(tmp_path, generation="run.yaml")
    config = load_benchmarks_config(path, ["generation.experts.1.decoding.max_tokens=9", "run_dir=here"])
    assert config.generation is not None
    assert [expert.decoding.max_tokens for expert in config.generation.experts] == [2048, 9]
    assert (config.run_dir, config.experts) == ("here", ["a", "b"])


@pytest.mark.parametrize(
    "published",
    [
        {"kind": "flask_reviews", "path": "flask.jsonl"},
        {"kind": "mt_bench_judgments", "path": "q.jsonl", "judgments": "single.jsonl", "answers": "model_answer"},
    ],
)
def test_published_verdicts_need_nobody_and_are_of_one_pool(tmp_path: Path, published: dict[str, Any]) -> None:
    published = published | {"experts": {"a": "a", "b": "b"}}
    config = load_benchmarks_config(written(tmp_path, benchmarks=[published, ANNOTATIONS], generation=None))
    assert (config.experts, config.answered, config.judged) == (["a", "b"], [], [])
    other = published | {"experts": {"a": "a", "c": "c"}}
    with pytest.raises(ConfigError, match=f"{published['kind']} name the experts a, c, but the pool is a, b"):
        load_benchmarks_config(written(tmp_path, benchmarks=[ANNOTATIONS, other], generation=None))


def test_annotations_need_nobody(tmp_path: Path) -> None:
    config = load_benchmarks_config(written(tmp_path, benchmarks=[ANNOTATIONS], generation=None))
    assert config.experts == ["a", "b"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"benchmarks": []}, "benchmarks: List should have at least 1 item"),
        ({"benchmarks": [GSM8K | {"pth": "x"}]}, "unknown key 'benchmarks.0.pth'; did you mean 'path'?"),
        ({"benchmarks": [{"kind": "gsm8k"}]}, "key 'benchmarks.0.path' is missing"),
        ({"benchmarks": [GSM8K, GSM8K]}, "benchmarks: gsm8k is there twice"),
        ({"benchmarks": [ALPACA_EVAL, ANNOTATIONS], "judge": {"engine": DUMMY}}, "alpaca_eval is there twice"),
        ({"generation": None}, "gsm8k needs experts that answer; give a section `generation`"),
        ({"benchmarks": [ALPACA_EVAL]}, "alpaca_eval needs a section `judge`"),
        (
            {"benchmarks": [ANNOTATIONS | {"experts": {"a": "a", "c": "c"}}]},
            "annotations name the experts a, c, but",
        ),
        ({"judge": {"engine": DUMMY, "id": "a/b"}}, "judge.id: judge id 'a/b' must be 1 to 64 letters"),
        ({"reward_models": [REFERENCE | {"id": "my model/1"}]}, "reward model id 'my model/1' must be 1 to 64 letters"),
        ({"reward_models": [REFERENCE, REFERENCE]}, "reward model ids must be unique"),
        ({"grading": {"id": "a/b"}}, "reward model id 'a/b' must be"),
        ({"generation": "nowhere.yaml"}, "nowhere.yaml does not exist"),
    ],
)
def test_bad_settings_end_in_one_sentence(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        load_benchmarks_config(written(tmp_path, **settings))
