"""Socket mode of Slack in its particulars: when a press is confirmed, and connections that come and go."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from answer_bench import Bench, slack_bench
from fake_slack_app import APP_TOKEN, FakeSlackApp

from roundsman.alerts.answers import AnswerDesk, Press
from roundsman.alerts.channels.seal import Seal
from roundsman.clock import ManualClock
from roundsman.errors import StoreError
from roundsman.repositories.alerts import AlertStatus
from roundsman.repositories.engine import Store


class Desk(AnswerDesk):
    """Does as the test says before it sees to a press."""

    def __init__(self, desk: AnswerDesk) -> None:
        self.desk = desk
        self.before: list[Any] = []

    def press(self, press: Press, seal: Seal) -> str:
        if self.before:
            self.before.pop(0)()
        return self.desk.press(press, seal)


@pytest.fixture
def bench(sqlite_store: Store, clock: ManualClock) -> Iterator[Bench]:
    with slack_bench(sqlite_store, clock) as made:
        made.fire("1")
        yield made
        made.listener.stop()


@pytest.fixture
def server(bench: Bench) -> FakeSlackApp:
    assert isinstance(bench.server, FakeSlackApp)
    return bench.server


@pytest.fixture
def desk(bench: Bench, server: FakeSlackApp) -> Desk:
    """The listener is connected and stands at it."""
    made = Desk(bench.desk)
    bench.listener.start(made)
    server.chat.wait_for(lambda: server.sockets)
    return made


def test_a_press_is_confirmed_once_its_answer_is_committed(bench: Bench, server: FakeSlackApp, desk: Desk) -> None:
    confirmed: list[list[str]] = []
    desk.before.append(lambda: confirmed.append(list(server.confirmed)))
    assert bench.press("Acknowledge") == "Acknowledged."
    assert (confirmed, server.confirmed) == ([[]], ["envelope-1"])


def test_a_press_that_takes_long_is_confirmed_meanwhile_and_once(
    bench: Bench, server: FakeSlackApp, desk: Desk
) -> None:
    desk.before.append(lambda: server.chat.wait_for(lambda: server.confirmed))
    assert bench.press("Acknowledge") == "Acknowledged."
    assert server.confirmed == ["envelope-1"]


def test_a_press_that_the_store_did_not_take_is_not_confirmed(bench: Bench, server: FakeSlackApp, desk: Desk) -> None:
    has_failed = threading.Event()

    def away() -> None:
        has_failed.set()
        raise StoreError("the database is locked")

    desk.before.append(away)
    server.press("Acknowledge")
    assert has_failed.wait(20)
    assert bench.press("I take it", "Minh") == "Yours now."
    assert "envelope-2" in server.confirmed
    assert "envelope-1" not in server.confirmed
    assert bench.alert().taken_by == "Minh"


def test_when_slack_moves_the_connection_nothing_is_lost(bench: Bench, server: FakeSlackApp, desk: Desk) -> None:
    first = server.sockets[-1]
    server.send_text(json.dumps({"type": "disconnect", "reason": "refresh_requested"}))
    server.chat.wait_for(lambda: server.sockets and server.sockets[-1] is not first)
    assert bench.press("Acknowledge") == "Acknowledged."


def test_a_connection_that_breaks_is_made_anew(bench: Bench, server: FakeSlackApp, desk: Desk) -> None:
    for _ in range(3):
        asked = server.chat.asked
        server.cut()
        server.chat.wait_for(partial(_is_back, server, asked))
    assert bench.press("Acknowledge") == "Acknowledged."


def _is_back(server: FakeSlackApp, asked: int) -> bool:
    return server.chat.asked > asked and bool(server.sockets)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"type": "interactive"}', '{"type": 7, "payload": []}', "ế" * 40]
)
def test_what_makes_no_sense_ends_nothing(bench: Bench, server: FakeSlackApp, desk: Desk, text: str) -> None:
    server.send_text(text)
    assert bench.press("Acknowledge") == "Acknowledged."


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "view_submission"},
        {"type": "block_actions", "user": {"id": "U0LAN"}, "actions": []},
        {"type": "block_actions", "user": None, "actions": [{"value": "x"}]},
        {"type": "block_actions", "user": {"id": 7}, "actions": ["x"]},
        {"type": "block_actions", "user": {"id": "U0LAN"}, "actions": {"value": "x"}},
    ],
)
def test_what_is_no_button_is_confirmed_and_left_alone(
    bench: Bench, server: FakeSlackApp, desk: Desk, payload: dict[str, Any]
) -> None:
    for kind in ("interactive", "events_api", "slash_commands"):
        server.send_envelope(kind, payload)
    server.chat.wait_for(lambda: len(server.confirmed) == 3)
    assert bench.alert().status is AlertStatus.FIRING
    assert server.chat.said == []


def test_an_address_that_is_none_is_asked_for_again(bench: Bench, server: FakeSlackApp) -> None:
    from fake_chat import reply

    server.chat.faults.extend(
        [lambda handler: reply(handler, {"ok": True, "url": "file:///etc/passwd"}),
         lambda handler: reply(handler, {"ok": True, "url": "ws://127.0.0.1:9/"}),
         lambda handler: reply(handler, {"ok": False, "error": "internal_error"})]
    )  # fmt: skip
    bench.listener.start(bench.desk)
    assert bench.press("Acknowledge") == "Acknowledged."
    assert server.chat.asked == 4


def test_when_it_has_stopped_no_thread_of_it_is_left(bench: Bench, server: FakeSlackApp, desk: Desk) -> None:
    bench.press("Acknowledge")
    bench.listener.stop()
    server.chat.wait_for(lambda: not server.sockets)
    names = [thread.name for thread in threading.enumerate()]
    assert "listen-slack" not in names
    assert APP_TOKEN not in repr(bench.listener)
