"""Entry point of the `zooter` command: `zooter --help`.

Bad input ends in one sentence and exit code 2; `--debug` shows the traceback and does not hide what Ray prints.
"""

import argparse
import contextlib
import importlib.metadata
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from zooter_ray.cli import benchmark, demo, distill, evaluate, labels, plan, report, route, run, serve, tune
from zooter_ray.cli.console import quiet
from zooter_ray.errors import ZooterError
from zooter_ray.progress import new_console

COMMANDS = {
    "demo": demo,
    "plan": plan,
    "run": run,
    "labels": labels,
    "distill": distill,
    "tune": tune,
    "route": route,
    "evaluate": evaluate,
    "benchmark": benchmark,
    "report": report,
    "serve": serve,
}
STARTS_NOTHING = ("plan", "labels", "report")
RESUMED = ("demo", "run", "distill", "tune", "benchmark")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    execute = COMMANDS[arguments.command].execute
    if arguments.debug:
        execute(arguments, new_console())
        return 0
    log = log_file(arguments)
    try:
        if arguments.command in STARTS_NOTHING or getattr(arguments, "dry_run", False):
            execute(arguments, new_console())
        else:
            with quiet(log) as console, logged_traceback(log):
                execute(arguments, console)
    except ZooterError as error:
        print(f"zooter {arguments.command}: error: {error.sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        hint = "; run it again to resume" if arguments.command in RESUMED else ""
        print(f"zooter {arguments.command}: interrupted{hint}", file=sys.stderr)
        return 130
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    parser = argparse.ArgumentParser(prog="zooter", description="Send each query to the LLM that answers it best.")
    parser.add_argument("--version", action="version", version=f"zooter {importlib.metadata.version('zooter-ray')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        subparser.add_argument("--debug", action="store_true", help="show tracebacks and what Ray and vLLM print")
        module.add_arguments(subparser)
    return parser


def log_file(arguments: argparse.Namespace) -> Path:
    """Where library output goes: into the run directory if the command has a local one, else to a temporary file."""
    run_dir = getattr(arguments, "run_dir", None)
    if run_dir is not None and "://" not in run_dir:
        return Path(run_dir) / "run.log"
    return Path(tempfile.gettempdir()) / f"zooter-{arguments.command}-{os.getpid()}.log"


@contextlib.contextmanager
def logged_traceback(log: Path) -> Iterator[None]:
    """Put the traceback of whatever goes wrong into the log; the terminal gets one sentence."""
    try:
        yield
    except Exception:
        with log.open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        raise


if __name__ == "__main__":
    sys.exit(main())
