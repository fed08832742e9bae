"""Slack's and Telegram's interfaces on loopback, with the limits that their documents state, and with bad days.

Time is the test's own. Slack: one message a second for each channel, short bursts of ten. Telegram: 30 a second from
one bot, 20 a minute to one group. Whoever is faster gets a 429, which the test counts as provoked.
"""

import json
import random
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from telegram_chat import Answer, TelegramChat

SLACK_BURST, SLACK_EVERY_S = 10, 1.0
GROUP_MESSAGES, GROUP_WINDOW_S = 20, 60.0
BOT_MESSAGES, BOT_WINDOW_S = 30, 1.0
SLOW_S = 0.05
ASKED_WAIT_S = 7


class Hold:
    """Keeps the answer to one call back, the `nth` one of a method. What was asked for is done already."""

    def __init__(self, method: str, nth: int) -> None:
        self.method = method
        self._left = nth
        self._over = threading.Event()
        self.has_come = threading.Event()

    def meet(self) -> None:
        """A call of the method is to be answered."""
        self._left -= 1
        if self._left == 0:
            self.has_come.set()
            self._over.wait(10)

    def let_go(self) -> None:
        self._over.set()


class FakeChats(ThreadingHTTPServer):
    """Both services. `now` gives seconds; `faults` is the share of requests that meet a bad day."""

    daemon_threads = True

    def __init__(self, now: Callable[[], float], seed: int, faults: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.now = now
        self.faults = faults
        self.kinds = ["asked_to_wait", "unavailable", "reset", "slow"]
        """Of bad days."""
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.texts: dict[str, list[str]] = {}
        """What each chat took, in order."""
        self.shows: dict[str, dict[int, str]] = {}
        """The messages of each chat as they read now, by number."""
        self.rooms: dict[str, TelegramChat] = {}
        """Of Telegram, what stands behind these; forwards are there alone."""
        self.are_protected = False
        """Whether nothing can be forwarded in them."""
        self.metadata: dict[tuple[str, int], Any] = {}
        self.asked: Counter[str] = Counter()
        """How often for each method."""
        self.provoked: list[str] = []
        self.keeps_rates = True
        self.met: Counter[str] = Counter()
        self._hold: Hold | None = None
        self._taken: dict[str, deque[float]] = {}
        self._closed_until: dict[str, float] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def forget(self) -> None:
        """All that was told."""
        self.texts.clear()
        self.shows.clear()
        self.rooms.clear()

    @contextmanager
    def holding(self, method: str, nth: int) -> Iterator[Hold]:
        """Whoever makes the nth call from now waits for its answer until the block ends."""
        hold = self._hold = Hold(method, nth)
        try:
            yield hold
        finally:
            self._hold = None
            hold.let_go()

    def before_answer(self, method: str) -> None:
        hold = self._hold
        if hold is not None and hold.method == method:
            hold.meet()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was cut off does not read its answer."""

    def history(self, chat: str) -> list[dict[str, Any]]:
        """The newest first, as Slack gives them."""
        with self.lock:
            shown = dict(self.shows.get(chat, {}))
        return [
            {"ts": f"{number}.1", "metadata": self.metadata.get((chat, number))}
            for number in sorted(shown, reverse=True)
        ]

    def judge(self, chat: str) -> str:
        """What a request to a chat meets: `taken`, `too_fast`, `asked_to_wait`, `unavailable`, `reset` or `slow`."""
        now = self.now()
        if now < self._closed_until.get(chat, 0.0):
            self.provoked.append(f"{chat} was told to wait")
            return "too_fast"
        if self.keeps_rates and not self._has_room(chat, now):
            self.provoked.append(f"{chat} got too many at once")
            return "too_fast"
        fault = "taken"
        if self.random.random() < self.faults:
            fault = self.random.choice(self.kinds)
            self.met[fault] += 1
        if fault == "asked_to_wait":
            self._closed_until[chat] = now + ASKED_WAIT_S
        return fault

    def _has_room(self, chat: str, now: float) -> bool:
        """Requests count, whatever became of them."""
        taken = self._taken.setdefault(chat, deque(maxlen=5_000))
        taken.append(now)
        if chat.startswith("slack"):
            return all(
                place + 1 <= SLACK_BURST + (now - moment) / SLACK_EVERY_S + 1e-6
                for place, moment in enumerate(reversed(taken))
            )
        bot = self._taken.setdefault("bot", deque(maxlen=5_000))
        bot.append(now)
        lately = sum(now - moment < GROUP_WINDOW_S for moment in taken)
        return lately <= GROUP_MESSAGES and sum(now - moment < BOT_WINDOW_S for moment in bot) <= BOT_MESSAGES


class _Handler(BaseHTTPRequestHandler):
    server: FakeChats

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("conversations.history"):
            self._answer(200, {"ok": True, "messages": self.server.history(f"slack:{body['channel']}")})
            return
        is_slack, method = self.path.startswith("/api/"), self.path.rpartition("/")[2]
        chat = f"slack:{body.get('channel')}" if is_slack else f"telegram:{body.get('chat_id')}"
        with self.server.lock:
            self.server.asked[method] += 1
            met = "taken" if method == "deleteMessage" else self.server.judge(chat)  # that is no message
            if met in ("taken", "slow"):
                answer = self._on_slack(chat, body) if is_slack else self._on_telegram(chat, method, body)
        if met == "slow":
            time.sleep(SLOW_S)
        self.server.before_answer(method)
        if met == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif met == "unavailable":
            self._answer(503, {"ok": False})
        elif met in ("too_fast", "asked_to_wait"):
            wait = {} if is_slack else {"error_code": 429, "parameters": {"retry_after": ASKED_WAIT_S}}
            self._answer(429, {"ok": False, "error": "ratelimited", **wait}, {"Retry-After": str(ASKED_WAIT_S)})
        else:
            self._answer(*answer)

    def _on_slack(self, chat: str, body: dict[str, Any]) -> Answer:
        text = json.dumps(body, ensure_ascii=False)
        self.server.texts.setdefault(chat, []).append(text)
        shown = self.server.shows.setdefault(chat, {})
        number = int(body["ts"].partition(".")[0]) if "ts" in body else len(shown) + 1
        shown[number] = text
        if "metadata" in body:
            self.server.metadata[chat, number] = body["metadata"]
        return Answer(200, {"ok": True, "channel": body.get("channel"), "ts": f"{number}.1"})

    def _on_telegram(self, chat: str, method: str, body: dict[str, Any]) -> Answer:
        room = self.server.rooms.setdefault(chat, TelegramChat(str(body.get("chat_id"))))
        room.is_protected = self.server.are_protected
        answer = room.call(method, body)
        if answer.status == 200 and method in ("sendMessage", "editMessageText"):
            self.server.texts.setdefault(chat, []).append(json.dumps(body, ensure_ascii=False))
        self.server.shows[chat] = {
            number: json.dumps(post.body, ensure_ascii=False)
            for number, post in room.posts.items()
            if post.origin is None
        }
        return answer

    def _answer(self, status: int, value: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@contextmanager
def chats(now: Callable[[], float], *, seed: int, faults: float) -> Iterator[FakeChats]:
    """Both services until the end of the block."""
    with FakeChats(now, seed, faults) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
