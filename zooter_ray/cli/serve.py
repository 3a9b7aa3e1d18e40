"""`zooter serve --config C [--router DIR] [--set k=v]`: the service on this machine, until it is interrupted."""

import argparse
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress

from rich.console import Console

from serve_app.environment import FAST_PATH
from zooter_ray.cli.run import add_overrides
from zooter_ray.config import RunConfig, load_config
from zooter_ray.errors import ConfigError, ServiceError, one_line

HELP = "serve a router and its experts behind an OpenAI-compatible API on this machine"
APP = "zooter"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--config", required=True, metavar="YAML", help="the run's settings")
    parser.add_argument("--router", metavar="DIR", help="router directory; default: that of the config's run")
    add_overrides(parser)


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Serve until interrupted."""
    os.environ.update({**FAST_PATH, **os.environ})
    config = load_config(arguments.config, arguments.overrides)
    with service(config, arguments.router, console) as url:
        show_how_to_call(url, console)
        console.print("Ctrl-C ends it.", highlight=False)
        wait_for_interrupt()


@contextmanager
def service(config: RunConfig, router: str | None, console: Console) -> Iterator[str]:
    """The application, up and ready; yields the URL that it answers at."""
    from ray import serve

    from serve_app.app import build_app
    from serve_app.args import ServeArgs, router_of_run
    from zooter_ray.cluster import connected
    from zooter_ray.preparing import prepare_serving

    prepare_serving(config, console)
    host, port = config.serving.host, config.serving.port
    check_port_is_free(host, port)
    args = ServeArgs(
        router=router or router_of_run(config.run_dir),
        experts=config.generation.experts,
        serving=config.serving,
    )
    args.router_card()  # what is wrong with it is known before Ray is started
    with connected(config.ray):
        application = build_app(args)
        started = time.monotonic()
        serve.start(http_options={"host": host, "port": port})
        others = set(serve.status().applications) - {APP}
        executor = ThreadPoolExecutor(1)
        try:
            running = executor.submit(serve.run, application, name=APP)
            show_what_is_up(running, started, console)
            yield f"http://{host}:{port}/v1"
        finally:
            if others:
                serve.delete(APP)  # on a cluster that serves more than this
            else:
                serve.shutdown()
            executor.shutdown(wait=False)


def show_what_is_up(running: "Future[object]", started: float, console: Console) -> None:
    """Say which deployments are up while the application starts.

    Raises:
        ServiceError: if it does not start.
    """
    from ray import serve

    shown: set[str] = set()
    while True:
        finished = wait([running], timeout=0.5).done
        application = serve.status().applications.get(APP)
        for name, deployment in application.deployments.items() if application else ():
            if deployment.status == "HEALTHY" and name not in shown:
                shown.add(name)
                console.print(f"  {name} is up after {time.monotonic() - started:.0f} s", highlight=False)
        if finished:
            break
    try:
        running.result()
    except RuntimeError as error:
        raise ServiceError(f"the service does not start: {one_line(error)}") from error


def check_port_is_free(host: str, port: int) -> None:
    """Refuse a port that another process listens at."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(f"cannot listen at {host}:{port} ({error.strerror}); set serving.port") from None


def show_how_to_call(url: str, console: Console) -> None:
    """How to call the service with curl and with the official client."""
    console.print(f"The service answers at {url}\n", highlight=False)
    console.print(
        f"curl {url}/chat/completions -H 'content-type: application/json' -i \\\n"
        """  -d '{"model": "zooter", "messages": [{"role": "user", "content": "What is 6 plus 7?"}]}'\n""",
        highlight=False, soft_wrap=True, markup=False,
    )  # fmt: skip
    console.print(
        "from openai import OpenAI\n"
        f'client = OpenAI(base_url="{url}", api_key="none")\n'
        'reply = client.chat.completions.create(model="zooter", messages=[{"role": "user", "content": "..."}])\n'
        "print(reply.model, reply.choices[0].message.content)\n",
        highlight=False, soft_wrap=True, markup=False,
    )  # fmt: skip


def wait_for_interrupt() -> None:
    """Sleep until Ctrl-C, or until a container is stopped (SIGTERM): so a service is meant to end."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell has its background processes ignore the former
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
