"""What the fakes of Telegram and Slack have in common: messages with buttons, what is said, and faults by script."""

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 60.0


@dataclass
class Shown:
    """A message as the members of a chat see it."""

    text: str
    buttons: dict[str, str]
    """What each carries, by its label."""


@dataclass
class Chat:
    """The state behind a fake; `changed` guards it and tells of each change."""

    messages: dict[str, Shown] = field(default_factory=dict)
    edits: int = 0
    said: list[tuple[str, str]] = field(default_factory=list)
    """Whom what was said, who had pressed a button."""
    faults: deque[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=deque)
    """Each is the answer to one request of the listener, in its turn."""
    asked: int = 0
    """Requests of the listener."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, condition: Callable[[], object]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), "it did not come to be"

    @property
    def newest(self) -> Shown:
        return list(self.messages.values())[-1]


class ChatServer(ThreadingHTTPServer):
    """An HTTP server on loopback, whose clients may be killed or go away."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.chat = Chat()
        self.closing = False
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed does not wait for its answer."""

    def close(self) -> None:
        self.closing = True
        with self.chat.changed:
            self.chat.changed.notify_all()
        self.shutdown()
        self._thread.join(10)
        self.server_close()


def status(code: int, body: str = "", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer with this status, and nothing done."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())

    return answer


def reset(handler: BaseHTTPRequestHandler) -> None:
    """A TCP reset instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def slow(handler: BaseHTTPRequestHandler) -> None:
    """Longer than anybody in the tests waits for an answer."""
    time.sleep(0.6)
    status(503)(handler)


def reply(handler: BaseHTTPRequestHandler, body: Any) -> None:
    import json

    status(200, json.dumps(body), Content_Type="application/json")(handler)
