"""Long polling of Telegram in its particulars: what is confirmed when, several daemons, updates that make no sense."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from answer_bench import Bench, telegram_bench
from fake_telegram import CHAT, TOKEN, FakeTelegram, conflict, too_many

from roundsman.alerts.answers import AnswerDesk, Press
from roundsman.alerts.channels.base import DeliveryError, Fault
from roundsman.alerts.channels.seal import Seal
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.listeners.telegram import LOOK_AGAIN, MOST_UPDATES, TelegramListener
from roundsman.alerts.listeners.trouble import LONGEST_RETRY_AFTER, REFUSED_PAUSE, Trouble
from roundsman.clock import ManualClock
from roundsman.errors import StoreError
from roundsman.repositories.alerts import AlertStatus
from roundsman.repositories.engine import Store
from roundsman.repositories.pollers import POSITION_GOOD_FOR


@pytest.fixture
def bench(sqlite_store: Store, clock: ManualClock) -> Iterator[Bench]:
    with telegram_bench(sqlite_store, clock) as made:
        made.fire("1")
        yield made


@pytest.fixture
def server(bench: Bench) -> FakeTelegram:
    assert isinstance(bench.server, FakeTelegram)
    return bench.server


@pytest.fixture
def listener(bench: Bench) -> TelegramListener:
    """Without a thread."""
    assert isinstance(bench.listener, TelegramListener)
    return bench.listener


def test_an_update_is_confirmed_by_the_request_after_its_answer(
    bench: Bench, server: FakeTelegram, listener: TelegramListener
) -> None:
    server.press("Acknowledge")
    listener.run_once(bench.desk)
    assert (len(server.updates), len(server.toasts)) == (1, 1)
    listener.run_once(bench.desk)
    assert (server.offsets, server.updates) == ([None, 501], [])


def test_an_update_whose_answer_the_store_did_not_take_comes_again(
    bench: Bench, server: FakeTelegram, listener: TelegramListener
) -> None:
    class Away(AnswerDesk):
        def __init__(self) -> None:
            self.presses = 0

        def press(self, press: Press, seal: Seal) -> str:
            self.presses += 1
            if self.presses > 1:
                raise StoreError("the database is locked")
            return bench.desk.press(press, seal)

    server.press("Acknowledge")
    server.press("Snooze 30 min")
    with pytest.raises(StoreError):
        listener.run_once(Away())
    listener.run_once(bench.desk)
    assert server.offsets == [None, 501], "the first one was seen to"
    assert [each["text"] for each in server.toasts] == ["Acknowledged.", "Snoozed until 11:30."]


def test_a_toast_that_cannot_be_shown_keeps_nothing_back(
    bench: Bench, server: FakeTelegram, listener: TelegramListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.press("Acknowledge")
    server.press("2 h")
    real = listener._api.call

    def call(method: str, body: Any, **also: Any) -> Any:
        if method == "answerCallbackQuery":
            raise DeliveryError(Fault.REJECTED, "Bad Request: query is too old and response timeout expired")
        return real(method, body, **also)

    monkeypatch.setattr(listener._api, "call", call)
    listener.run_once(bench.desk)
    assert bench.alert().status is AlertStatus.SNOOZED


def test_the_next_process_goes_on_where_the_last_one_was(
    bench: Bench, server: FakeTelegram, listener: TelegramListener, clock: ManualClock
) -> None:
    server.press("Acknowledge")
    listener.run_once(bench.desk)
    listener.stop()
    another = bench.make_listener(bench.store)
    assert isinstance(another, TelegramListener)
    another.run_once(bench.desk)
    clock.advance(POSITION_GOOD_FOR)
    another.run_once(bench.desk)
    assert server.offsets == [None, 501, None]
    assert len(server.toasts) == 1


def test_of_two_daemons_on_one_store_one_asks(bench: Bench, server: FakeTelegram, clock: ManualClock) -> None:
    api = {"bot_token": TOKEN, "seal": bench.seal, "api_url": server.url}
    poll = timedelta(0)
    first, second = (
        TelegramListener(bench.store, clock, f"{host}/boot/1/1", poll=poll, **api)  # type: ignore[arg-type]  # one form
        for host in ("here", "there")
    )
    assert [each.run_once(bench.desk) for each in (first, second)] == [timedelta(0), LOOK_AGAIN]
    assert server.chat.asked == 1
    clock.advance(timedelta(minutes=2))
    turns = [each.run_once(bench.desk) for each in (second, first)]
    assert turns == [timedelta(0), LOOK_AGAIN], "the first one has not come back in time"


def test_another_program_that_asks_for_the_same_bot_is_waited_for(
    bench: Bench, server: FakeTelegram, listener: TelegramListener
) -> None:
    server.chat.faults.append(conflict)
    with pytest.raises(DeliveryError, match=r"409 Conflict.*make sure that only one bot runs") as caught:
        listener.run_once(bench.desk)
    assert caught.value.fault is Fault.TEMPORARY
    trouble = Trouble("Telegram")
    pauses = [trouble.pause_after(caught.value) for _ in range(12)]
    assert timedelta(seconds=1) <= pauses[0] <= timedelta(seconds=2)
    assert timedelta(seconds=30) <= pauses[-1] <= timedelta(minutes=1)


def test_what_telegram_asks_for_is_obeyed_within_reason(
    bench: Bench, server: FakeTelegram, listener: TelegramListener
) -> None:
    server.chat.faults.append(too_many)
    with pytest.raises(DeliveryError) as caught:
        listener.run_once(bench.desk)
    assert Trouble("Telegram").pause_after(caught.value) == timedelta(seconds=7)
    years = DeliveryError(Fault.TEMPORARY, "later", timedelta(days=999))
    assert Trouble("Telegram").pause_after(years) == LONGEST_RETRY_AFTER
    refused = DeliveryError(Fault.CHANNEL, "Unauthorized")
    assert Trouble("Telegram").pause_after(refused) == REFUSED_PAUSE


UNREADABLE: list[Any] = [
    {},
    {"message": {"text": "/start"}},
    {"callback_query": None},
    {"callback_query": []},
    {"callback_query": {"id": "1", "data": "ack:1:x"}},
    {"callback_query": {"id": "1", "from": {"id": True}, "data": "x"}},
    {"callback_query": {"id": "1", "from": {"id": "77"}, "data": "x"}},
    {"callback_query": {"id": "", "from": {"id": 77}, "data": "x"}},
    {"callback_query": {"id": 5, "from": {"id": 77}, "data": "x"}},
    {"callback_query": {"id": "x" * 65, "from": {"id": 77}, "data": "x"}},
    {"update_id": "501", "callback_query": {}},
    {"update_id": 2**70, "callback_query": {}},
]


def test_updates_that_nobody_can_read_are_passed_over(
    bench: Bench, server: FakeTelegram, listener: TelegramListener
) -> None:
    for update in UNREADABLE:
        server.send_update(update)
    server.press("Acknowledge")
    listener.run_once(bench.desk)
    assert [each["text"] for each in server.toasts] == ["Acknowledged."]
    assert bench.alert().status is AlertStatus.ACKNOWLEDGED


def test_what_came_while_we_were_away_is_seen_to_in_its_order(
    bench: Bench, server: FakeTelegram, listener: TelegramListener
) -> None:
    for number in range(MOST_UPDATES + 5):
        server.press("I take it", "77" if number % 2 else "88")
    server.press("2 h", "88")
    for _ in range(3):
        listener.run_once(bench.desk)
    assert len(server.toasts) == MOST_UPDATES + 6
    assert [each["text"] for each in server.toasts][-1] == "Snoozed until 13:00."


def test_a_stranger_is_answered_and_nothing_is_kept_of_it(
    bench: Bench, server: FakeTelegram, listener: TelegramListener
) -> None:
    for name, user in (("Hoa", "55"), ("An", "99")):
        server.press("Acknowledge", user, name)
    listener.run_once(bench.desk)
    assert [each["text"] for each in server.toasts] == [
        "You may not answer here; ask for telegram:55 to be let in.", "Acknowledged.",
    ]  # fmt: skip
    assert bench.alert().taken_by == "An", "the setting names An besides the staff"


def test_a_channel_without_a_listener_has_no_buttons(bench: Bench, server: FakeTelegram, clock: ManualClock) -> None:
    plain = TelegramChannel("telegram", clock, bot_token=TOKEN, target=CHAT, api_url=server.url)
    bench.channel = plain
    bench.__post_init__()
    bench.fire("2")
    assert server.chat.newest.buttons == {}
