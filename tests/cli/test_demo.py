"""What `zooter demo` makes of its options; the demo itself is README's first command."""

import pytest

from zooter_ray.cli.demo import config_of
from zooter_ray.cli.main import make_parser


@pytest.mark.parametrize(
    ("options", "run_dir", "limited"),
    [
        ([], "runs/demo", True),
        (["--run-dir", "my runs: 1 😀", "--all"], "my runs: 1 😀", False),
        (["--set", "run_dir=elsewhere", "--run-dir", "here"], "elsewhere", True),
        (["--all", "--set", "queries.limit=7"], "runs/demo", True),
    ],
)
def test_what_set_says_comes_last(options: list[str], run_dir: str, limited: bool) -> None:
    config = config_of(make_parser().parse_args(["demo", *options]))
    assert config.run_dir == run_dir
    assert (config.queries.limit is not None) == limited
