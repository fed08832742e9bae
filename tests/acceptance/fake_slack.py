"""A Slack webhook on loopback that keeps what it was told, and counts how often of each incident."""

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOWEST_ANSWER_S = 0.03


class FakeSlack(ThreadingHTTPServer):
    """Takes messages, slowly now and then. An incident is known by the customer's name, `incident-NUMBER-`."""

    daemon_threads = True

    def __init__(self, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: Counter[int] = Counter()
        self.bodies: list[str] = []
        self.refuses: Callable[[str, set[int]], bool] = lambda path, numbers: False
        """By the path and the incidents of a message."""
        self.lock = threading.Lock()
        self.random = random.Random(seed)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T000/B000/secret-of-the-hook"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed does not wait for its answer."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeSlack

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        numbers = set(map(int, re.findall(r"incident-(\d+)-", body)))
        is_refused = self.server.refuses(self.path, numbers)
        with self.server.lock:
            if numbers and not is_refused:  # an incomplete request is none
                self.server.told.update(numbers)
                self.server.bodies.append(body)
            delay = self.server.random.uniform(0, SLOWEST_ANSWER_S)
        time.sleep(delay)
        self.send_response(400 if is_refused else 200)
        self.end_headers()
        self.wfile.write(b"invalid_blocks" if is_refused else b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@contextmanager
def listening(seed: int) -> Iterator[FakeSlack]:
    """A fake Slack that answers until the end of the block."""
    with FakeSlack(seed) as slack:
        thread = threading.Thread(target=slack.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield slack
        finally:
            slack.shutdown()
            thread.join(10)
