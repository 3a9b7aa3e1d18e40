"""An OpenAI-compatible endpoint for tests: real HTTP, answers by a function of what is asked and how often it was."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[str, int], str | tuple[int, str]]  # a text, or a status and an error


class Endpoint(ThreadingHTTPServer):
    """Writes down what it was asked, when, with which key, and how many requests were under way."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.tries: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: set[str] = set()
        self.under_way = self.most_under_way = 0
        self.usage: dict[str, int] | None = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
        self.lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = body["messages"][-1]["content"]
        with self.server.lock:
            self.server.under_way += 1
            self.server.most_under_way = max(self.server.most_under_way, self.server.under_way)
            self.server.bodies.append(body)
            self.server.times.append(time.monotonic())
            self.server.keys.add(self.headers["Authorization"])
            self.server.tries[asked] += 1
            tries = self.server.tries[asked]
        found = self.server.answer(asked, tries)
        with self.server.lock:
            self.server.under_way -= 1
        if isinstance(found, tuple):
            self.reply(found[0], {"error": {"message": found[1]}})
        else:
            message = {"role": "assistant", "content": found}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            told = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
            self.reply(200, {**told, "choices": choices, "usage": self.server.usage})

    def reply(self, status: int, content: dict[str, Any]) -> None:
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(answer: Answer) -> Iterator[Endpoint]:
    """An endpoint that answers while the context lasts."""
    server = Endpoint(answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
