"""The sender with a real store: what is told, tried again, given up, and switched off."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from alert_samples import KIND, ZONE, Mailbox, book_of, failing, sender_of, unreplied
from pytest_httpserver import HTTPServer

from roundsman.alerts.channels.base import DeliveryError, Fault, Receipt
from roundsman.alerts.channels.console import ConsoleChannel
from roundsman.alerts.channels.slack import SlackChannel
from roundsman.alerts.channels.telegram import TelegramChannel
from roundsman.alerts.condition import Escalation
from roundsman.alerts.delivery import LEASE, Delivered
from roundsman.alerts.message import Message
from roundsman.alerts.rate import BURST
from roundsman.alerts.sender import LOOK_EVERY_S, Sender
from roundsman.alerts.templates import Language
from roundsman.clock import ManualClock, SystemClock
from roundsman.owner import Owner
from roundsman.repositories.audience import Audience, Mention
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.notification_claims import DIGEST_REST, NotificationClaims
from roundsman.repositories.notifications import Notification, NotificationRepository

BUSY = DeliveryError(Fault.TEMPORARY, "HTTP 503")
DENIED = DeliveryError(Fault.CHANNEL, "token_revoked")
REFUSED = DeliveryError(Fault.REJECTED, "invalid_blocks")


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def sender(store: Store, clock: ManualClock, mailbox: Mailbox) -> Sender:
    return registered(sender_of(store, clock, [mailbox]))


def registered(sender: Sender) -> Sender:
    """As after a start, without threads."""
    sender.register()
    return sender


def fire(store: Store, clock: ManualClock, sender: Sender, *subjects: str) -> None:
    with book_of(store, clock, sender).transaction("monitor") as desk:
        desk.fire_all([unreplied(subject, clock.now()) for subject in subjects])


def resolve(store: Store, clock: ManualClock, sender: Sender, subject: str) -> None:
    with book_of(store, clock, sender).transaction("monitor") as desk:
        desk.resolve(f"{KIND}:{subject}", "answered", answered_at="now", answered_by="Hoa", waited_minutes=24)


def rows(store: Store) -> list[Notification]:
    with store.read() as connection:
        found = NotificationRepository().of_alerts(connection, range(1, 100))
    return [entry for entries in found.values() for entry in entries]


def drain(sender: Sender, name: str = "mailbox") -> list[Delivered]:
    """Until there is nothing to do at this moment."""
    done: list[Delivered] = []
    while (delivered := sender.run_once(name)) not in (Delivered.NOTHING, Delivered.NOT_YET):
        done.append(delivered)
    return done


# --- telling ---


def test_an_alert_is_told_once_and_its_end_edits_the_message(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    fire(store, clock, sender, "1")
    assert drain(sender) == [Delivered.SENT]
    assert mailbox.titles == ["Nguyễn Thị Lan has waited 23 min on Shop A (Messenger)"]
    assert mailbox.told[0].fields["ALERT"] == f"{KIND}:1"
    clock.advance(timedelta(minutes=1))
    resolve(store, clock, sender, "1")
    assert drain(sender) == [Delivered.SENT]
    ((receipt, message),) = mailbox.edited
    assert (receipt.keys, message.title) == (
        {"number": "1"}, "Nguyễn Thị Lan on Shop A (Messenger): answered by Hoa after 24 min",
    )  # fmt: skip
    assert drain(sender) == []


def test_a_late_message_tells_the_wait_of_now(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    fire(store, clock, sender, "1")
    clock.advance(timedelta(minutes=120))
    drain(sender)
    assert mailbox.titles == ["Nguyễn Thị Lan has waited 2 h 23 min on Shop A (Messenger)"]


def test_what_ends_before_it_is_told_stays_untold(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    mailbox.fails = failing(BUSY)
    fire(store, clock, sender, "1")
    assert drain(sender) == [Delivered.RETRY_LATER]
    resolve(store, clock, sender, "1")
    clock.advance(timedelta(hours=1))
    assert drain(sender) == []
    assert (mailbox.told, [row.status for row in rows(store)]) == ([], ["cancelled"])


def test_after_a_burst_messages_of_a_channel_keep_their_distance(store: Store, clock: ManualClock) -> None:
    sender = registered(sender_of(store, clock, [Mailbox(min_interval=timedelta(seconds=1))]))
    fire(store, clock, sender, *(str(number) for number in range(BURST + 4)))
    assert len(drain(sender)) == BURST
    assert sender.run_once("mailbox") is Delivered.NOT_YET
    clock.advance(timedelta(seconds=1))
    assert len(drain(sender)) == 1
    clock.advance(timedelta(seconds=2))
    assert len(drain(sender)) == 2


def test_what_a_delivery_cost_beyond_one_message_is_waited_for(store: Store, clock: ManualClock) -> None:
    class Costly(Mailbox):
        """Wrote two more messages on the way."""

        def send(self, message: Message) -> Receipt:
            return replace(super().send(message), extra=2)

    sender = registered(sender_of(store, clock, [Costly(min_interval=timedelta(seconds=1))]))
    fire(store, clock, sender, *(str(number) for number in range(BURST)))
    assert len(drain(sender)) == -(-BURST // 3)
    clock.advance(timedelta(seconds=3))
    assert len(drain(sender)) == 1


# --- levels and digests ---

SALES = Audience("Sales", mentions=(Mention("Lan", "U024BE7LH"),), digest_from=3)


def fire_for_sales(store: Store, clock: ManualClock, sender: Sender, *subjects: str, level: int = 1) -> None:
    with book_of(store, clock, sender).transaction("monitor") as desk:
        desk.fire_all([replace(unreplied(subject, clock.now()), level=level, audience=SALES) for subject in subjects])


def test_each_level_calls_its_people_and_every_message_is_edited_at_the_end(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    fire_for_sales(store, clock, sender, "1", level=0)
    drain(sender)
    for level in (1, 2):
        clock.advance(timedelta(minutes=10))
        facts = {"waited_minutes": 23 + 10 * level}
        with book_of(store, clock, sender).transaction("monitor") as desk:
            desk.escalate(Escalation(f"{KIND}:1", level, SALES, facts))
        drain(sender)
    assert mailbox.titles == [
        "Nguyễn Thị Lan has waited 23 min on Shop A (Messenger): 0 min left",
        "Nguyễn Thị Lan has waited 33 min on Shop A (Messenger)",
        "Nguyễn Thị Lan has waited 43 min on Shop A (Messenger)",
    ]
    assert mailbox.told[2].lines[-1] == "Level 2, Sales"
    assert {message.mentions for message in mailbox.told} == {SALES.mentions}
    resolve(store, clock, sender, "1")
    drain(sender)
    assert sorted(receipt.keys["number"] for receipt, _ in mailbox.edited) == ["1", "2", "3"]
    assert {message.title for _, message in mailbox.edited} == {
        "Nguyễn Thị Lan on Shop A (Messenger): answered by Hoa after 24 min"
    }


def test_a_digest_is_one_message_that_is_edited_until_all_are_over(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    fire_for_sales(store, clock, sender, "1", "2", "3")
    assert drain(sender) == [Delivered.SENT]
    assert (mailbox.titles, len(mailbox.told[0].items)) == (["3 customers have waited too long (Sales)"], 3)
    for subject in ("2", "1", "3"):
        resolve(store, clock, sender, subject)
        drain(sender)
    assert drain(sender) == []
    clock.advance(DIGEST_REST)
    drain(sender)
    assert [message.title for _, message in mailbox.edited] == [
        "2 of 3 customers still wait (Sales)", "All 3 customers were answered (Sales)",
    ]  # fmt: skip
    assert {receipt.keys["number"] for receipt, _ in mailbox.edited} == {"1"}


def test_a_change_that_comes_too_soon_is_put_off_until_its_time(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    fire_for_sales(store, clock, sender, "1", "2", "3")
    drain(sender)
    for subject in ("1", "2"):
        resolve(store, clock, sender, subject)
        drain(sender)
    with store.read() as connection:
        (waiting,) = NotificationRepository().outlook(connection, clock.now())
    assert waiting.earliest == clock.now() + DIGEST_REST, "the sender would ask again and again"


def test_a_channel_that_cannot_edit_hears_of_a_digest_twice(store: Store, clock: ManualClock) -> None:
    hook = Mailbox(can_edit=False)
    sender = registered(sender_of(store, clock, [hook]))
    fire_for_sales(store, clock, sender, "1", "2", "3")
    for subject in ("1", "2", "3"):
        drain(sender)
        clock.advance(timedelta(minutes=1))
        resolve(store, clock, sender, subject)
    drain(sender)
    assert (len(hook.told), [message.title for _, message in hook.edited]) == (
        1, ["All 3 customers were answered (Sales)"],
    )  # fmt: skip


# --- failing ---


def test_a_temporary_failure_is_tried_again_as_long_as_the_alert_is_open(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    mailbox.fails = failing(*[BUSY] * 40)
    fire(store, clock, sender, "1")
    attempts, waited = 0, timedelta(0)
    while not mailbox.told:
        drain(sender)
        attempts = rows(store)[0].attempts
        clock.advance(timedelta(seconds=30))
        waited += timedelta(seconds=30)
        assert waited < timedelta(hours=4), "the wait between two tries grew without bound"
    assert attempts == 41
    assert waited > timedelta(hours=1.5), "the tries came too fast"


def test_the_wait_that_a_service_asks_for_holds_the_whole_channel(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    asked = timedelta(minutes=20)
    mailbox.fails = failing(DeliveryError(Fault.TEMPORARY, "HTTP 429", asked))
    fire(store, clock, sender, "1", "2")
    assert sender.run_once("mailbox") is Delivered.RETRY_LATER
    fire(store, clock, sender, "3")
    clock.advance(asked - timedelta(seconds=1))
    assert sender.run_once("mailbox") is Delivered.NOT_YET
    clock.advance(timedelta(seconds=1))
    assert drain(sender) == [Delivered.SENT] * 3


def test_a_refused_message_fails_alone(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.fails = failing(REFUSED)
    fire(store, clock, sender, "1", "2")
    assert drain(sender) == [Delivered.GIVEN_UP, Delivered.SENT]
    assert [(row.status, row.error) for row in rows(store)] == [("failed", "invalid_blocks"), ("sent", None)]
    assert [record.levelno for record in caplog.records if "never take" in record.message] == [logging.CRITICAL]
    resolve(store, clock, sender, "1")
    assert drain(sender) == [], "nobody hears of the end of what was never told"


def test_a_channel_that_refuses_us_is_switched_off_loudly_and_keeps_everything(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.fails = failing(DENIED)
    fire(store, clock, sender, "1", "2")
    assert drain(sender) == [Delivered.CHANNEL_OFF]
    fire(store, clock, sender, "3")
    resolve(store, clock, sender, "2")
    clock.advance(timedelta(days=3))
    assert drain(sender) == []
    (loud,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "mailbox is switched off: token_revoked" in loud.getMessage()
    assert loud.__dict__["CHANNEL"] == "mailbox"
    assert sorted(row.status for row in rows(store)) == ["cancelled", "pending", "pending"]

    restarted = registered(sender_of(store, clock, [mailbox]))
    assert drain(restarted) == [], "a restart does not knock again"
    mended = registered(sender_of(store, clock, [Mailbox(identity="mended", told=mailbox.told)]))
    assert drain(mended) == [Delivered.SENT] * 2


def test_a_channel_that_is_switched_on_by_hand_is_noticed(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    mailbox.fails = failing(DENIED)
    fire(store, clock, sender, "1")
    drain(sender)
    with store.write() as connection:
        ChannelRepository().switch_on(connection, "mailbox")
    clock.advance(timedelta(seconds=LOOK_EVERY_S))
    assert drain(sender) == [Delivered.SENT]


def test_other_settings_switch_a_channel_on_at_a_reload(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    mailbox.fails = failing(DENIED)
    fire(store, clock, sender, "1")
    drain(sender)
    mended = Mailbox(identity="mended")
    sender.replace([mended], language=Language.VIETNAMESE, zone=ZONE)
    assert drain(sender) == [Delivered.SENT]
    assert mended.titles == ["Nguyễn Thị Lan đã chờ 23 phút trên Shop A (Messenger)"]


def test_whatever_a_channel_raises_is_contained_without_its_text(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.fails = failing(KeyError("https://hooks.example/secret"))
    fire(store, clock, sender, "1")
    assert drain(sender) == [Delivered.RETRY_LATER]
    (row,) = rows(store)
    assert row.error is not None
    assert row.error.startswith("unexpected KeyError at alert_samples.py:")
    assert "secret" not in caplog.text + row.error


def test_news_of_an_end_is_given_up_after_a_day(
    store: Store, clock: ManualClock, sender: Sender, mailbox: Mailbox
) -> None:
    fire(store, clock, sender, "1")
    drain(sender)
    resolve(store, clock, sender, "1")
    mailbox.fails = lambda: BUSY
    drain(sender)
    clock.advance(timedelta(days=1, seconds=1))
    assert drain(sender) == [Delivered.GIVEN_UP]


# --- other processes ---


def dead_owner() -> Owner:
    """This machine, and a process that started before the machine did."""
    me = Owner.this_process()
    return Owner(me.host, me.place, me.pid, me.started - 1)


def elsewhere() -> Owner:
    return Owner("another-host", "anotherboot+1", 7, 7)


@pytest.mark.parametrize(("owner", "wait"), [(dead_owner(), timedelta(0)), (elsewhere(), LEASE)])
def test_a_claim_that_was_left_behind_is_taken_over(
    store: Store, clock: ManualClock, mailbox: Mailbox, owner: Owner, wait: timedelta
) -> None:
    first = registered(sender_of(store, clock, [mailbox]))
    fire(store, clock, first, "1")
    with store.write() as connection:
        assert NotificationClaims().claim(connection, "mailbox", str(owner), clock.now(), LEASE)
    if wait:
        assert drain(registered(sender_of(store, clock, [mailbox]))) == []
        clock.advance(wait)
    assert drain(registered(sender_of(store, clock, [mailbox]))) == [Delivered.SENT]


def test_two_senders_at_once_tell_everything_once(store: Store, mailbox: Mailbox) -> None:
    clock = SystemClock()
    senders = [sender_of(store, clock, [mailbox], owner) for owner in (Owner.this_process(), elsewhere())]
    everything = threading.Event()
    count = 40
    mailbox.fails = _watching(mailbox, count, everything)
    with book_of(store, clock, senders[0]).transaction("monitor") as desk:
        alone = Audience(digest_from=1_000)
        desk.fire_all([replace(unreplied(str(number), clock.now()), audience=alone) for number in range(count)])
    for sender in senders:
        sender.start()
    everything.wait(30)
    for sender in senders:
        sender.stop()
        assert sender.ill() is not None
    assert sorted(message.fields["ALERT"] for message in mailbox.told) == sorted(f"{KIND}:{n}" for n in range(count))


def _watching(mailbox: Mailbox, count: int, everything: threading.Event) -> Callable[[], None]:
    def look() -> None:
        if len(mailbox.told) >= count - 1:
            everything.set()

    return look


# --- the service ---


def test_the_sender_sleeps_until_it_is_woken(sqlite_store: Store) -> None:
    clock, told = SystemClock(), threading.Event()
    mailbox = Mailbox()
    mailbox.fails = lambda: told.set()
    sender = sender_of(sqlite_store, clock, [mailbox])
    sender.start()
    try:
        with book_of(sqlite_store, clock, sender).transaction("monitor") as desk:
            desk.fire(unreplied("1", clock.now()))
        assert told.wait(LOOK_EVERY_S - 1), "the sender found it only by looking, not by being woken"
        assert sender.ill() is None
    finally:
        sender.stop()
    assert len(mailbox.told) == 1


def test_a_thread_that_hangs_or_is_gone_is_an_illness(sqlite_store: Store, clock: ManualClock) -> None:
    release, inside = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        release.wait(30)

    mailbox = Mailbox(fails=hang)
    sender = sender_of(sqlite_store, clock, [mailbox])
    fire(sqlite_store, clock, sender, "1")
    assert "does not live" in (sender.ill() or "")
    sender.start()
    try:
        assert inside.wait(10)
        assert sender.ill() is None
        clock.advance(timedelta(minutes=3))
        assert "hangs" in (sender.ill() or "")
    finally:
        release.set()
        sender.stop()


def test_stopping_does_not_wait_for_a_service_that_hangs(sqlite_store: Store, caplog: pytest.LogCaptureFixture) -> None:
    clock = SystemClock()
    release, inside = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        release.wait(30)

    sender = sender_of(sqlite_store, clock, [Mailbox(fails=hang)])
    with book_of(sqlite_store, clock, sender).transaction("monitor") as desk:
        desk.fire(unreplied("1", clock.now()))
    sender.start()
    assert inside.wait(10)
    sender.stop(timedelta(milliseconds=50))
    assert "did not end in time" in caplog.text
    release.set()


def test_commands_deliver_what_is_due_without_threads(sqlite_store: Store, clock: ManualClock) -> None:
    boxes = [Mailbox("one"), Mailbox("two")]
    sender = sender_of(sqlite_store, clock, boxes)
    fire(sqlite_store, clock, sender, "1", "2")
    boxes[0].fails = failing(BUSY)
    sender.deliver_due()
    assert [len(box.told) for box in boxes] == [0, 2]


def test_slack_and_telegram_are_told_over_http(store: Store, clock: ManualClock, httpserver: HTTPServer) -> None:
    url = httpserver.url_for("").rstrip("/")
    httpserver.expect_request("/api/chat.postMessage").respond_with_json({"ok": True, "channel": "C1", "ts": "1.2"})
    httpserver.expect_request("/api/chat.update").respond_with_json({"ok": True, "channel": "C1", "ts": "1.2"})
    httpserver.expect_request("/bot1:abcdefghijk/sendMessage").respond_with_json(
        {"ok": True, "result": {"message_id": 5}}
    )
    httpserver.expect_request("/bot1:abcdefghijk/editMessageText").respond_with_json({"ok": True, "result": {}})
    channels = (
        ConsoleChannel(),
        SlackChannel("slack", clock, bot_token="xoxb-1-abcdefghijk", channel="C1", api_url=f"{url}/api/"),
        TelegramChannel("telegram", clock, bot_token="1:abcdefghijk", target="-5", api_url=url),
    )
    sender = registered(sender_of(store, clock, channels))
    fire(store, clock, sender, "1")
    for name in ("console", "slack", "telegram"):
        assert sender.run_once(name) is Delivered.SENT
    clock.advance(timedelta(minutes=1))
    resolve(store, clock, sender, "1")
    for name in ("console", "slack", "telegram"):
        assert sender.run_once(name) is Delivered.SENT
    assert [request.path.rpartition("/")[2] for request, _ in httpserver.log] == [
        "chat.postMessage", "sendMessage", "chat.update", "editMessageText",
    ]  # fmt: skip
    assert {row.status for row in rows(store)} == {"sent"}
