"""A Telegram on loopback: messages with inline keyboards, updates by long polling, and one poller at a time."""

import itertools
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from fake_chat import ChatServer, Shown, reply, status
from telegram_chat import TelegramChat

TOKEN = "123456789:AAtelegramSecretPartOfTheToken12345"
CHAT = "-100200"
LONGEST_POLL_S = 0.3
_WRITING = ("sendMessage", "forwardMessage")


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
        self.room = TelegramChat(CHAT)
        self.calls: list[tuple[str, Any]] = []
        """What its sender asked for, in order."""
        self.refusals: defaultdict[str, deque[Callable[[BaseHTTPRequestHandler], None]]] = defaultdict(deque)
        """Each is the answer to one call of that method, in its turn."""
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
        self._talk("sendMessage", body)

    def _editMessageText(self, body: Any) -> None:  # noqa: N802
        self._talk("editMessageText", body)

    def _forwardMessage(self, body: Any) -> None:  # noqa: N802
        self._talk("forwardMessage", body)

    def _deleteMessage(self, body: Any) -> None:  # noqa: N802
        self._talk("deleteMessage", body)

    def _talk(self, method: str, body: Any) -> None:
        server, chat = self.server, self.server.chat
        with chat.changed:
            server.calls.append((method, body))
            fault = server.refusals[method].popleft() if server.refusals[method] else None
        if fault is not None:
            fault(self)
            return
        with chat.changed:
            answer = server.room.call(method, body)
            number = str(answer.body["result"]["message_id"] if method in _WRITING and answer.status == 200
                         else body.get("message_id"))  # fmt: skip
            post = server.room.posts.get(int(number)) if number.isdigit() else None
            if post is not None:
                before, chat.messages[number] = chat.messages.get(number), _shown(post.body)
                chat.edits += method == "editMessageText" and before != chat.messages[number]
            elif method == "deleteMessage":
                chat.messages.pop(number, None)
            chat.changed.notify_all()
        status(answer.status, json.dumps(answer.body), Content_Type="application/json")(self)

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
