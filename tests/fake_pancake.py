"""Pancake's REST API as a real HTTP server on loopback: pages, conversations, messages, and every way to misbehave.

It behaves as the real one does where that is known: sixty conversations an answer, changed last first, with a cursor
and no end marker; thirty messages, newest first; naive times; errors inside HTTP 200; five requests a second a page and
a 429 without Retry-After. Time is the test's clock, and `skew` what its own clock is ahead of that.
"""

import json
import re
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from roundsman.clock import Clock

Object = dict[str, Any]

CONVERSATIONS_AT_ONCE = 60
MESSAGES_AT_ONCE = 30
USER_TOKEN = "user-token-secret-0123456789"


class Misdeed(Enum):
    """Ways to fail."""

    TOO_MANY = auto()
    """429 without Retry-After."""
    REFUSED = auto()
    """HTTP 200 and "An error occurred", which heals."""
    TOKEN = auto()
    """HTTP 200 and error 102."""
    SERVER_ERROR = auto()
    BAD_GATEWAY_PAGE = auto()
    """HTTP 200 with a page of HTML."""
    CUT = auto()
    """Half of the JSON, as if it were all."""
    BROKEN_OFF = auto()
    """Half of what was announced, then the end."""
    RESET = auto()
    SILENT = auto()
    """The connection is closed without an answer."""
    SLOW = auto()
    """Drips for longer than anybody waits."""
    HUGE = auto()
    WRONG = auto()
    """JSON, and something else than what was asked for."""
    REDIRECT = auto()


class Cursor(Enum):
    """How `last_conversation_id` works."""

    HONEST = auto()
    IGNORED = auto()
    EMPTY = auto()
    """Whatever comes behind it is nothing."""


@dataclass
class FakePage:
    """One page."""

    page_id: str
    token: str
    name: str
    conversations: dict[str, Object] = field(default_factory=dict)
    messages: dict[str, dict[str, Object]] = field(default_factory=dict)
    users: list[Object] = field(default_factory=list)
    statistics: Any = field(default_factory=dict)
    """By a person's id, whatever the day."""
    asked_at: deque[float] = field(default_factory=lambda: deque(maxlen=5))


@dataclass
class _Order:
    """A misdeed to come."""

    misdeed: Misdeed
    times: int
    page_id: str | None
    path: str


class FakePancake:
    """The state of the server, and what it is told to do. Use it within `running`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.skew = timedelta(0)
        self.whole_seconds = False
        """Times are told without the fraction of the second."""
        self.lag = timedelta(0)
        """So much later than the news of it a message is told."""
        self.cursor = Cursor.HONEST
        self.user_token = USER_TOKEN
        self.shows_page_tokens = True
        self.enforces_rate = True
        self.away_until: datetime | None = None
        self.pages: dict[str, FakePage] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Path and parameters of every request."""
        self.too_many = 0
        """How often somebody was over the limit."""
        self.tokens_made = 0
        self.url = ""
        self._orders: list[_Order] = []
        self._lock = threading.RLock()
        self._asked = threading.Condition(self._lock)

    # --- what happens there ---

    def now(self) -> datetime:
        """By its own clock."""
        return self.clock.now() + self.skew

    def add_page(self, page_id: str = "100", name: str | None = None) -> FakePage:
        with self._lock:
            page = FakePage(page_id, f"page-token-of-{page_id}-secret", name or f"Shop {page_id}")
            self.pages[page_id] = page
            return page

    def say(
        self,
        page_id: str,
        name: str,
        message_id: str,
        author: Object | None = None,
        *,
        at: datetime | None = None,
        **data: Any,
    ) -> Object:
        """A message in a conversation, which it makes if need be. `at` is when it is said to be sent."""
        with self._lock:
            conversation = self.touch(page_id, name)
            now = self.now()
            message = {
                "id": message_id,
                "conversation_id": conversation["id"],
                "page_id": page_id,
                "type": conversation["type"],
                "message": "<div>Xin chào</div>",
                "from": author or {"id": name, "name": f"Customer {name}"},
                "_at": at or now,
                "_told_at": self.clock.now() + self.lag,
                **data,
            }
            self.pages[page_id].messages.setdefault(conversation["id"], {})[message_id] = message
            return message

    def touch(self, page_id: str, name: str, **data: Any) -> Object:
        """Whatever moves a conversation: a tag, an assignment."""
        with self._lock:
            page = self.pages[page_id]
            conversation_id = name if "_" in name else f"{page_id}_{name}"
            made = {
                "id": conversation_id,
                "type": "INBOX",
                "page_id": page_id,
                "customer_id": f"customer-{name}",
                "from": {"id": name, "name": f"Customer {name}"},
                "customers": [{"id": f"customer-{name}", "fb_id": name, "name": f"Customer {name}"}],
                "tags": [],
                "assignee_ids": [],
                "_inserted": self.now(),
            }
            conversation = page.conversations.setdefault(conversation_id, made)
            conversation.update(data)
            conversation["_updated"] = self.now()
            return conversation

    def delete_page(self, page_id: str) -> None:
        with self._lock:
            del self.pages[page_id]

    def revoke(self, page_id: str) -> str:
        """Give a page a new token; the old one is worthless."""
        with self._lock:
            self.tokens_made += 1
            self.pages[page_id].token = f"page-token-{self.tokens_made}-of-{page_id}-secret"
            return self.pages[page_id].token

    def misbehave(self, misdeed: Misdeed, times: int = 1, *, page_id: str | None = None, path: str = "") -> None:
        """For the next requests, or those of a page, or those whose path ends so."""
        with self._lock:
            self._orders.append(_Order(misdeed, times, page_id, path))

    def behave(self) -> None:
        with self._lock:
            self._orders.clear()
            self.away_until = None

    def wait_for_requests(self, count: int, path: str, seconds: float) -> bool:
        """Until so many requests to paths with this end have come; False if they have not in that time."""
        with self._lock:
            return self._asked.wait_for(lambda: sum(each.endswith(path) for each, _ in self.requests) >= count, seconds)

    # --- what it answers ---

    def decide(self, method: str, target: str) -> tuple[int, Object] | Misdeed:
        """Status and body of an answer, or what is done instead."""
        parts = urlsplit(target)
        params = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        steps = [unquote(step) for step in parts.path.strip("/").split("/")]
        with self._lock:
            self.requests.append((parts.path, params))
            self._asked.notify_all()
            if self.away_until is not None and self.clock.now() < self.away_until:
                return Misdeed.SILENT
            page_id = steps[4] if len(steps) > 4 else None
            order = self._order_for(page_id, parts.path)
            if order is not None:
                return order
            return self._answer(method, steps, params)

    def _order_for(self, page_id: str | None, path: str) -> Misdeed | None:
        for order in self._orders:
            if order.times > 0 and order.page_id in (None, page_id) and path.endswith(order.path):
                order.times -= 1
                return order.misdeed
        return None

    def _answer(self, method: str, steps: list[str], params: dict[str, str]) -> tuple[int, Object]:
        if steps[:3] == ["api", "v1", "pages"]:
            return self._of_user(method, steps, params)
        if steps[:2] != ["api", "public_api"] or len(steps) < 6 or steps[3] != "pages" or method != "GET":
            return 404, {"success": False, "message": "Route not found"}
        page = self.pages.get(steps[4])
        if page is None:
            return 200, {"success": False, "error_code": 404, "message": "Page not found"}
        if params.get("page_access_token") != page.token:
            return 200, {"success": False, "error_code": 102, "message": "Invalid page_access_token"}
        if self.enforces_rate and self._is_over_limit(page):
            self.too_many += 1
            return 429, {"success": False, "message": "Too many requests"}
        match steps[2], steps[5:]:
            case "v2", ["conversations"]:
                return 200, {"success": True, "conversations": self._conversations(page, params)}
            case "v1", ["conversations", conversation_id, "messages"]:
                if conversation_id not in page.conversations:
                    return 200, {"success": False, "message": "Conversation not found"}
                return 200, {"success": True, "messages": self._messages(page, conversation_id, params)}
            case "v1", [*what, "users"]:
                return 200, self._statistics(page, params) if what == ["statistics"] else self._users(page)
        return 404, {"success": False, "message": "Route not found"}

    def _users(self, page: FakePage) -> Object:
        rota = [each["id"] for each in page.users[:1]]
        return {
            "success": True,
            "users": page.users,
            "disabled_users": [{"id": "u-gone", "name": "Old Staff"}],
            "round_robin_users": {"inbox": rota, "comment": []},
        }

    def _statistics(self, page: FakePage, params: dict[str, str]) -> Object:
        if not re.fullmatch(r"(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d( - |$)){2}", params.get("date_range", "")):
            return {"success": False, "message": "date_range is invalid"}
        return {"success": True, "data": {"statistics": {}, "users": page.statistics}}

    def _of_user(self, method: str, steps: list[str], params: dict[str, str]) -> tuple[int, Object]:
        if params.get("access_token") != self.user_token:
            return 200, {"success": False, "error_code": 101, "message": "Invalid access_token"}
        if method == "POST" and steps[4:] == ["generate_page_access_token"]:
            return 200, {"success": True, "page_access_token": self.revoke(steps[3])}
        listed = [
            {"id": each.page_id, "name": each.name, "username": f"shop{each.page_id}", "settings": self._settings(each)}
            for each in self.pages.values()
        ]
        return 200, {"success": True, "categorized": {"activated": listed, "inactivated": []}}

    def _settings(self, page: FakePage) -> Object:
        return {"page_access_token": page.token} if self.shows_page_tokens else {}

    def _is_over_limit(self, page: FakePage) -> bool:
        now = self.clock.monotonic()
        if len(page.asked_at) == 5 and now - page.asked_at[0] < 1.0:
            return True
        page.asked_at.append(now)
        return False

    def _conversations(self, page: FakePage, params: dict[str, str]) -> list[Object]:
        field_name = "_updated" if params.get("order_by") == "updated_at" else "_inserted"
        since, until = float(params.get("since", 0)), float(params.get("until", 1e12))
        found = [each for each in page.conversations.values() if since <= each[field_name].timestamp() <= until]
        found.sort(key=lambda each: (each[field_name], each["id"]), reverse=True)
        cursor = params.get("last_conversation_id")
        ids = [each["id"] for each in found]
        if cursor is not None and self.cursor is Cursor.EMPTY:
            found = []
        elif cursor is not None and self.cursor is Cursor.HONEST and cursor in ids:
            found = found[ids.index(cursor) + 1 :]
        return [self._shown(each) for each in found[:CONVERSATIONS_AT_ONCE]]

    def _messages(self, page: FakePage, conversation_id: str, params: dict[str, str]) -> list[Object]:
        now = self.clock.now()
        told = [each for each in page.messages.get(conversation_id, {}).values() if each["_told_at"] <= now]
        told.sort(key=lambda each: (each["_at"], each["id"]), reverse=True)
        start = int(params.get("current_count", 0))
        return [self._shown(each) for each in told[start : start + MESSAGES_AT_ONCE]]

    def _shown(self, kept: Object) -> Object:
        """As the API tells it: naive times."""
        shown = {name: value for name, value in kept.items() if not name.startswith("_")}
        for own, told in (("_at", "inserted_at"), ("_inserted", "inserted_at"), ("_updated", "updated_at")):
            if own in kept:
                moment = kept[own].astimezone(UTC).replace(tzinfo=None)
                shown[told] = (moment.replace(microsecond=0) if self.whole_seconds else moment).isoformat()
        return shown

    @contextmanager
    def running(self) -> Iterator["FakePancake"]:
        """Serve, until the block ends."""
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": self}))
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients are killed in the middle of a request, and that is no news."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakePancake
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes, and the second would wait 40 ms

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        decided = self.fake.decide(self.command, self.path)
        try:
            if isinstance(decided, Misdeed):
                self._misbehave(decided)
            else:
                self._send(decided[0], json.dumps(decided[1]).encode())
        except OSError:
            self.close_connection = True  # whoever asked has gone

    def _send(self, status: int, body: bytes, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _misbehave(self, misdeed: Misdeed) -> None:
        match misdeed:
            case Misdeed.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            case Misdeed.SILENT:
                self.close_connection = True
            case Misdeed.BROKEN_OFF:
                self._send(200, _GOOD[:-100], length=len(_GOOD))
                self.close_connection = True
            case Misdeed.SLOW:
                self._drip(_GOOD)
            case Misdeed.TOKEN:  # it quotes the token
                said = {"success": False, "error_code": 102, "message": f"Session of {self.path} is over"}
                self._send(200, json.dumps(said).encode())
            case Misdeed.REDIRECT:
                self._send(302, b"", Location=f"{self.fake.url}/elsewhere?{urlsplit(self.path).query}")
            case _:
                self._send(*_ANSWERS[misdeed])

    def _drip(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        gone = threading.Event()
        for byte in body:
            self.wfile.write(bytes([byte]))
            gone.wait(0.05)


_GOOD = json.dumps({"success": True, "conversations": [], "messages": [], "filler": "x" * 200}).encode()
_ANSWERS = {
    Misdeed.TOO_MANY: (429, b'{"success": false, "message": "Too many requests"}'),
    Misdeed.REFUSED: (200, b'{"success": false, "message": "An error occurred"}'),
    Misdeed.SERVER_ERROR: (502, b"<html>Bad gateway</html>"),
    Misdeed.BAD_GATEWAY_PAGE: (200, b"<html>We are back soon</html>"),
    Misdeed.CUT: (200, _GOOD[:-100]),
    Misdeed.HUGE: (200, b'{"success": true, "filler": "' + b"x" * (17 * 1024 * 1024) + b'"}'),
    Misdeed.WRONG: (200, b'{"success": true, "conversations": {"a": 1}, "messages": "none"}'),
}
