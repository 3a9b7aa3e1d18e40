"""The engine `http` against a real HTTP server that misbehaves on purpose."""

from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from tests.stages.endpoint import Endpoint, serving
from zooter_ray.artifacts import read_manifest, read_table
from zooter_ray.config import RunConfig
from zooter_ray.config.generation import BudgetConfig
from zooter_ray.errors import ConfigError, StageError
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages import generation, queries
from zooter_ray.stages.engines.budget import Purse

pytestmark = pytest.mark.usefixtures("ray_session")


def answer(query: str, tries: int) -> str | tuple[int, str]:
    """Echoes; fails the first try of every query with 503, and `thing 7` for good with 400."""
    if "thing 7" in query:
        return 400, "refused on principle"
    return (503, "later") if tries == 1 else f"echo: {query}"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(answer) as server:
        yield server


def http_settings(settings: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    engine = {
        "kind": "http",
        "base_url": endpoint.base_url,
        "served_name": "m",
        "api_key_env": "ZOOTER_TEST_KEY",
        "concurrency": 2,
    }
    decoding = {"temperature": 0.2, "max_tokens": 11, "stop": ["END"]}
    settings["generation"]["experts"][0] = {
        "id": "remote", "engine": engine, "system_prompt": "Be brief.", "decoding": decoding,
    }  # fmt: skip
    return settings


def test_retries_rejections_limits_and_settings_reach_the_endpoint(
    settings: dict[str, Any], endpoint: Endpoint, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOTER_TEST_KEY", "secret")
    config = RunConfig.model_validate(http_settings(settings, endpoint))
    query_unit = queries.run(config.queries, config.run_dir, console)
    unit = generation.run(config.generation, query_unit, config.run_dir, console)["remote"]
    rows = {row["query_id"]: row for row in read_table(unit.path, RESPONSES).to_pylist()}
    assert len(rows) == 35
    assert rows["sums/003"]["response"] == "echo: What is 3 plus 3?"
    assert rows["sums/003"]["generated_tokens"] == 7
    (reason,) = read_manifest(unit)["dropped"]
    assert "refused on principle" in reason
    assert endpoint.tries["What is the name of thing 7?"] == 1
    assert endpoint.tries["What is 3 plus 3?"] == 2
    assert endpoint.keys == {"Bearer secret"}
    assert endpoint.most_under_way <= 2
    body = endpoint.bodies[0]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["model"], body["temperature"], body["max_tokens"], body["stop"]) == ("m", 0.2, 11, ["END"])


def test_a_missing_key_is_named_before_anything_is_asked(
    settings: dict[str, Any], endpoint: Endpoint, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZOOTER_TEST_KEY", raising=False)
    config = RunConfig.model_validate(http_settings(settings, endpoint))
    query_unit = queries.run(config.queries, config.run_dir, console)
    with pytest.raises(ConfigError, match="environment variable ZOOTER_TEST_KEY"):
        generation.run(config.generation, query_unit, config.run_dir, console)
    assert not endpoint.bodies


def remote(settings: dict[str, Any]) -> dict[str, Any]:
    engine: dict[str, Any] = settings["generation"]["experts"][0]["engine"]
    return engine


def test_a_run_stops_at_its_budget_and_goes_on_with_a_larger_one(
    settings: dict[str, Any], endpoint: Endpoint, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOTER_TEST_KEY", "secret")
    remote(http_settings(settings, endpoint)).update(budget={"tokens": 120})
    config = RunConfig.model_validate(settings)
    query_unit = queries.run(config.queries, config.run_dir, console)
    with pytest.raises(StageError, match=r"remote: the budget is used up, \d+ queries are left; raise engine.budget"):
        generation.run(config.generation, query_unit, config.run_dir, console)
    # A response takes 12 tokens; when the tenth is there, one more is under way.
    answered = [query for query, tries in endpoint.tries.items() if tries == 2]
    assert 10 <= len(answered) <= 11

    # All 35 responses take 420 tokens: at a price of 1 per million prompt and 10 per million others, 35 * 75 / 1e6.
    remote(settings).update(budget={"cost": 1.0, "prompt_price": 1.0, "generated_price": 10.0})
    config = RunConfig.model_validate(settings)
    unit = generation.run(config.generation, query_unit, config.run_dir, console)["remote"]
    assert read_manifest(unit)["rows_out"] == 35
    assert all(endpoint.tries[query] == 2 for query in answered), "what was paid for is not asked again"


def test_what_a_finished_expert_of_the_same_endpoint_spent_counts(
    settings: dict[str, Any], endpoint: Endpoint, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOTER_TEST_KEY", "secret")
    config = RunConfig.model_validate(http_settings(settings, endpoint))
    query_unit = queries.run(config.queries, config.run_dir, console)
    generation.run(config.generation, query_unit, config.run_dir, console)  # 35 responses of 12 tokens
    remote(settings).update(budget={"tokens": 430})
    settings["generation"]["experts"].append({"id": "twin", "same_weights_as": "remote"})
    config = RunConfig.model_validate(settings)
    with pytest.raises(StageError, match=r"twin: the budget is used up, 3[345] queries are left"):
        generation.run(config.generation, query_unit, config.run_dir, console)


def test_where_an_endpoint_does_not_tell_its_tokens_none_are_made_up_and_no_budget_is_kept(
    settings: dict[str, Any], endpoint: Endpoint, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOTER_TEST_KEY", "secret")
    endpoint.usage = None
    config = RunConfig.model_validate(http_settings(settings, endpoint))
    query_unit = queries.run(config.queries, config.run_dir, console)
    unit = generation.run(config.generation, query_unit, config.run_dir, console)["remote"]
    assert set(read_table(unit.path, RESPONSES)["generated_tokens"].to_pylist()) == {None}
    settings["generation"]["experts"].append({"id": "twin", "same_weights_as": "remote"})
    remote(settings).update(budget={"tokens": 430})
    config = RunConfig.model_validate(settings)
    told = r"twin: the endpoint does not tell in `usage` what .* kept, \d+ queries are left; leave engine.budget out"
    with pytest.raises(StageError, match=told):
        generation.run(config.generation, query_unit, config.run_dir, console)
    units = generation.units(config.generation, query_unit, config.run_dir)
    assert 1 <= read_table(units["twin"].path, RESPONSES).num_rows <= 3, (
        "what was paid for is kept: one, and two more under way"
    )


def test_what_former_runs_spent_counts() -> None:
    budget = BudgetConfig(cost=1.0, prompt_price=2.0, generated_price=4.0)
    assert budget.cost_of(100_000, 200_000) == pytest.approx(1.0)
    purses = [Purse(budget, 100_000, generated) for generated in (199_999, 200_000)]
    assert [purse.closed() for purse in purses] == ["", "not asked: the budget is used up"]
    purses[0].spend(0, 1)
    assert purses[0].closed() == "not asked: the budget is used up"


def test_requests_keep_to_their_rate(
    settings: dict[str, Any], endpoint: Endpoint, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOTER_TEST_KEY", "secret")
    remote(http_settings(settings, endpoint)).update(requests_per_minute=600)
    settings["queries"]["limit"] = 30
    config = RunConfig.model_validate(settings)
    query_unit = queries.run(config.queries, config.run_dir, console)
    unit = generation.run(config.generation, query_unit, config.run_dir, console)["remote"]
    assert read_manifest(unit)["rows_in"] == 30
    first, last = endpoint.times[0], endpoint.times[-1]
    assert last - first >= 29 / 10 - 0.5, "ten a second"
