"""A Telegram on loopback: messages with inline keyboards, updates by long polling, and one poller at a time."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from fake_chat import ChatServer, Shown, reply, status

TOKEN = "123456789:AAtelegramSecretPartOfTheToken12345"
CHAT = "-100200"
LONGEST_POLL_S = 0.3


class FakeTelegram(ChatServer):
    """Its listener's requests are those of getUpdates."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.updates: list[dict[str, Any]] = []
        """What nobody has confirmed."""
        self.offsets: list[int | None] = []
        self.toasts: list[dict[str, Any]] = []
        self.before_toast: Callable[[], bool] = lambda: False
        """True: whoever sends the toast is gone, and it does not arrive."""
        self.pollers = 0
        self.numbers = itertools.count(500)
        self.presses = itertools.count(9_000_000)

    def press(self, label: str, user: str = "77", name: str = "Lan", message: str | None = None, **also: Any) -> None:
        """Press a button of a message, the newest if none is named, as it is shown at this moment."""
        number = message or list(self.chat.messages)[-1]
        self.send_data(self.chat.messages[number].buttons[label], user, name, number, **also)

    def send_data(
        self, data: object, user: str = "77", name: str = "Lan", message: str = "1", press: str | None = None
    ) -> None:
        """What a program of a user's own may send in the place of a button."""
        query = {
            "id": press or str(next(self.presses)),
            "from": {"id": int(user), "is_bot": False, "first_name": name},
            "message": {"message_id": int(message), "chat": {"id": int(CHAT)}, "text": "ế" * 4000},
            "chat_instance": "1",
            "data": data,
        }
        self.send_update({"callback_query": query})

    def send_update(self, update: Any) -> None:
        with self.chat.changed:
            if isinstance(update, dict):
                update = {"update_id": next(self.numbers), **update}
            self.updates.append(update)
            self.chat.changed.notify_all()


class _Handler(BaseHTTPRequestHandler):
    server: FakeTelegram

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, token, method = self.path.split("/")
        if token != f"bot{TOKEN}":
            _fail(self, 401, "Unauthorized")
            return
        getattr(self, f"_{method}")(body)

    def _sendMessage(self, body: Any) -> None:  # noqa: N802 - as the Bot API calls it
        chat = self.server.chat
        with chat.changed:
            number = str(len(chat.messages) + 1)
            chat.messages[number] = _shown(body)
            chat.changed.notify_all()
        reply(self, {"ok": True, "result": {"message_id": int(number)}})

    def _editMessageText(self, body: Any) -> None:  # noqa: N802
        chat = self.server.chat
        with chat.changed:
            before, after = chat.messages[str(body["message_id"])], _shown(body)
            chat.messages[str(body["message_id"])] = after
            chat.edits += before != after
            chat.changed.notify_all()
        if before == after:
            _fail(self, 400, "Bad Request: message is not modified")
        else:
            reply(self, {"ok": True, "result": {"message_id": body["message_id"]}})

    def _answerCallbackQuery(self, body: Any) -> None:  # noqa: N802
        server = self.server
        assert len(body["text"]) <= 200
        if server.before_toast():
            with server.chat.changed:
                server.chat.changed.notify_all()
            self.close_connection = True
            return
        with server.chat.changed:
            server.toasts.append(body)
            server.chat.said.append((body["callback_query_id"], body["text"]))
            server.chat.changed.notify_all()
        reply(self, {"ok": True, "result": True})

    def _getUpdates(self, body: Any) -> None:  # noqa: N802
        server, chat = self.server, self.server.chat
        with chat.changed:
            chat.asked += 1
            chat.changed.notify_all()
            fault = chat.faults.popleft() if chat.faults else None
        if fault is not None:
            fault(self)
            return
        assert body["allowed_updates"] == ["callback_query"]
        with chat.changed:
            server.pollers += 1
            mine = server.pollers
            offset = body.get("offset")
            server.offsets.append(offset)
            if offset is not None:
                server.updates = [each for each in server.updates if _number(each) >= offset]
            chat.changed.notify_all()
            patience = min(body["timeout"], LONGEST_POLL_S)
            end = time.monotonic() + patience
            while not server.updates and mine == server.pollers and not server.closing:
                if not chat.changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                    break
            found, ousted = list(server.updates[: body["limit"]]), mine != server.pollers
        if ousted:
            _fail(self, 409, "Conflict: terminated by other getUpdates request")
        else:
            reply(self, {"ok": True, "result": found})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


def conflict(handler: BaseHTTPRequestHandler) -> None:
    _fail(handler, 409, "Conflict: terminated by other getUpdates request; make sure that only one bot runs")


def too_many(handler: BaseHTTPRequestHandler) -> None:
    body = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 7}}
    status(429, json.dumps(body))(handler)


def _fail(handler: BaseHTTPRequestHandler, code: int, description: str) -> None:
    status(code, json.dumps({"ok": False, "error_code": code, "description": description}))(handler)


def _number(update: Any) -> int:
    return int(update["update_id"]) if isinstance(update, dict) else 0


def _shown(body: Any) -> Shown:
    rows = body.get("reply_markup", {}).get("inline_keyboard", [])
    buttons = {button["text"]: button["callback_data"] for row in rows for button in row}
    assert all(len(data.encode()) <= 64 for data in buttons.values())
    return Shown(body["text"], buttons)


@contextmanager
def telegram() -> Iterator[FakeTelegram]:
    """A Telegram until the end of the block."""
    server = FakeTelegram()
    try:
        yield server
    finally:
        server.close()
