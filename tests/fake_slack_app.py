"""A Slack on loopback: the Web API for a bot, and socket mode, which is a web socket that the app opens (RFC 6455)."""

import base64
import hashlib
import itertools
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fake_chat import ChatServer, Shown, reply

BOT_TOKEN = "xoxb-111111111111-secretsecretsecret"
APP_TOKEN = "xapp-1-A000-222222222222-secretsecretsecret"
CHANNEL = "C012345"
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


class FakeSlackApp(ChatServer):
    """Its listener's requests are those of apps.connections.open."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.sockets: list[_Handler] = []
        """The connections that are open, the newest last."""
        self.tickets: set[str] = set()
        self.confirmed: list[str] = []
        self.envelopes = itertools.count(1)
        self.clicks = itertools.count(1)
        self.times = itertools.count(100)

    def press(
        self, label: str, user: str = "U0LAN", name: str = "lan", message: str | None = None, **also: Any
    ) -> None:
        """Press a button of a message, the newest if none is named, as it is shown at this moment."""
        ts = message or list(self.chat.messages)[-1]
        self.send_data(self.chat.messages[ts].buttons[label], user, name, ts, **also)

    def send_data(
        self, data: object, user: str = "U0LAN", name: str = "lan", message: str = "1.1", press: str | None = None
    ) -> None:
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": name, "name": name},
            "container": {"type": "message", "message_ts": message, "channel_id": CHANNEL},
            "channel": {"id": CHANNEL, "name": "alerts"},
            "trigger_id": "1.2.3",
            "message": {"text": "ế" * 4000},
            "actions": [
                {"type": "button", "action_id": "x", "value": data, "action_ts": press or f"{next(self.clicks)}.5"}
            ],
        }
        self.send_envelope("interactive", payload)

    def send_envelope(self, kind: str, payload: Any) -> str:
        envelope = f"envelope-{next(self.envelopes)}"
        self.send_text(json.dumps({"type": kind, "envelope_id": envelope, "payload": payload}))
        return envelope

    def send_text(self, text: str) -> None:
        """To the newest connection, once there is one."""
        self.chat.wait_for(lambda: self.sockets)
        self.sockets[-1].frame(TEXT, text.encode())

    def cut(self) -> None:
        """End all connections without a word."""
        with self.chat.changed:
            ended, self.sockets = self.sockets, []
        for each in ended:
            each.hang_up()

    def close(self) -> None:
        self.closing = True
        self.cut()
        super().close()


class _Handler(BaseHTTPRequestHandler):
    server: FakeSlackApp

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        method, token = self.path.rpartition("/")[2], self.headers["Authorization"].removeprefix("Bearer ")
        if token != (APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN):
            reply(self, {"ok": False, "error": "invalid_auth"})
            return
        getattr(self, "_" + method.replace(".", "_"))(body)

    def _apps_connections_open(self, _body: Any) -> None:
        chat = self.server.chat
        with chat.changed:
            chat.asked += 1
            chat.changed.notify_all()
            fault = chat.faults.popleft() if chat.faults else None
            ticket = f"ticket-{chat.asked}"
            self.server.tickets.add(ticket)
        if fault is not None:
            fault(self)
        else:
            reply(self, {"ok": True, "url": f"ws://127.0.0.1:{self.server.server_port}/link/?ticket={ticket}"})

    def _chat_postMessage(self, body: Any) -> None:  # noqa: N802 - as Slack calls it
        chat = self.server.chat
        with chat.changed:
            ts = f"{next(self.server.times)}.0001"
            chat.messages[ts] = _shown(body)
            chat.changed.notify_all()
        reply(self, {"ok": True, "channel": CHANNEL, "ts": ts})

    def _chat_update(self, body: Any) -> None:
        chat = self.server.chat
        with chat.changed:
            chat.edits += 1
            chat.messages[body["ts"]] = _shown(body)
            chat.changed.notify_all()
        reply(self, {"ok": True, "channel": CHANNEL, "ts": body["ts"]})

    def _chat_postEphemeral(self, body: Any) -> None:  # noqa: N802
        assert body["channel"] == CHANNEL
        with self.server.chat.changed:
            self.server.chat.said.append((body["user"], body["text"]))
            self.server.chat.changed.notify_all()
        reply(self, {"ok": True, "message_ts": "1.1"})

    # --- the web socket ---

    def do_GET(self) -> None:
        (ticket,) = parse_qs(urlsplit(self.path).query)["ticket"]
        with self.server.chat.changed:
            self.server.tickets.remove(ticket)  # each is good for one connection
        accept = hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + _MAGIC).digest()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade")):
            self.send_header(name, value)
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.close_connection = True
        self.frame(TEXT, json.dumps({"type": "hello", "num_connections": 1}).encode())
        with self.server.chat.changed:
            self.server.sockets.append(self)
            self.server.chat.changed.notify_all()
        with suppress(OSError, ValueError, struct.error):
            while self._take():
                pass
        with self.server.chat.changed:
            if self in self.server.sockets:
                self.server.sockets.remove(self)
            self.server.chat.changed.notify_all()

    def frame(self, opcode: int, data: bytes) -> None:
        length = bytes([len(data)]) if len(data) < 126 else struct.pack("!BH", 126, len(data))
        with suppress(OSError, ValueError):
            self.wfile.write(bytes([0x80 | opcode]) + length + data)

    def hang_up(self) -> None:
        import socket

        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _take(self) -> bool:
        """Read one frame of the client, which masks what it sends."""
        first, second = self.rfile.read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.rfile.read(2))
        mask = self.rfile.read(4)
        data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self.rfile.read(length)))
        opcode = first & 0x0F
        if opcode == PING:
            self.frame(PONG, data)
        elif opcode == TEXT:
            with self.server.chat.changed:
                self.server.confirmed.append(json.loads(data)["envelope_id"])
                self.server.chat.changed.notify_all()
        return opcode != CLOSE

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


def _shown(body: Any) -> Shown:
    texts = [block["text"]["text"] for block in body["blocks"] if block["type"] == "section"]
    buttons = [each for block in body["blocks"] if block["type"] == "actions" for each in block["elements"]]
    return Shown("\n".join(texts), {each["text"]["text"]: each["value"] for each in buttons})


@contextmanager
def slack_app() -> Iterator[FakeSlackApp]:
    """A Slack until the end of the block."""
    server = FakeSlackApp()
    try:
        yield server
    finally:
        server.close()
