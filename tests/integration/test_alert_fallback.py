"""Where news goes that its channel will not take: to the next channel of its route, or to the journal."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from alert_samples import KIND, Mailbox, book_of, failing, sender_of, unreplied
from sqlalchemy import select

from roundsman.alerts.book import AlertBook
from roundsman.alerts.channels.base import DeliveryError, Fault, NotTriedError
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.keeper import AlertKeeper
from roundsman.alerts.patience import SPAN, WAITS, tries
from roundsman.alerts.rules.route import Route, Rules
from roundsman.alerts.sender import Sender
from roundsman.clock import ManualClock
from roundsman.repositories.alert_log import AlertLog
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Audience, Wording
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.tables import notification_alerts, notifications

BUSY = DeliveryError(Fault.TEMPORARY, "HTTP 503")
DENIED = DeliveryError(Fault.CHANNEL, "token_revoked")
REFUSED = DeliveryError(Fault.REJECTED, "invalid_blocks")

TO_MAIL = Audience(channels=("slack",), fallback=("email",))
ON_AND_ON = Audience(channels=("slack",), fallback=("telegram", "email"))


class Post:
    """A sender with `slack`, `telegram` and `email`, and the alerts that they are told of."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.slack, self.telegram, self.email = (Mailbox(name) for name in ("slack", "telegram", "email"))
        self.sender = self.started()

    def started(self) -> Sender:
        sender = sender_of(self.store, self.clock, [self.slack, self.telegram, self.email])
        sender.register()
        return sender

    def fire(self, *subjects: str, to: Audience = TO_MAIL, severity: Severity = Severity.MEDIUM) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.fire_all(
                [replace(unreplied(each, self.clock.now()), audience=to, severity=severity) for each in subjects]
            )

    def resolve(self, subject: str) -> None:
        with book_of(self.store, self.clock, self.sender).transaction("monitor") as desk:
            desk.resolve(f"{KIND}:{subject}", "answered", answered_at="now", answered_by="Hoa", waited_minutes=24)

    def drain(self) -> list[Delivered]:
        """All channels, until nothing is due on any of them at this moment."""
        done: list[Delivered] = []
        resting = (Delivered.NOTHING, Delivered.NOT_YET)
        while more := [
            each for each in map(self.sender.run_once, ("slack", "telegram", "email")) if each not in resting
        ]:
            done += more
        return done

    def pass_time(self, span: timedelta, step: timedelta = timedelta(seconds=30)) -> None:
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.drain()
            self.clock.advance(step)
        self.drain()

    def rows(self) -> list[tuple[str, str, str]]:
        """(channel, event, status) of every message."""
        with self.store.read() as connection:
            found = connection.execute(select(notifications).order_by(notifications.c.id)).all()
        return [(row.channel, row.event, row.status) for row in found]

    def gave_up(self, alert_id: int = 1) -> list[tuple[str | None, str, str | None]]:
        with self.store.read() as connection:
            trail = AlertLog().of_alert(connection, alert_id)
        return [(each.channel, each.detail["reason"], each.detail.get("goes_on_to"))
                for each in trail if each.event == "gave_up"]  # fmt: skip


@pytest.fixture
def post(store: Store, clock: ManualClock) -> Post:
    return Post(store, clock)


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """What was said at priority crit."""
    return lambda: [record for record in caplog.records if record.levelno == logging.CRITICAL]


Loud = Callable[[], list[logging.LogRecord]]

# --- refused ---


def test_what_a_channel_refuses_goes_to_the_next_one_and_its_end_follows_there(post: Post, loud: Loud) -> None:
    post.slack.fails = failing(REFUSED)
    post.fire("1")
    assert post.drain() == [Delivered.GIVEN_UP, Delivered.SENT]
    assert post.rows() == [("slack", "firing", "failed"), ("email", "firing", "sent")]
    assert post.gave_up() == [("slack", "invalid_blocks", "email")]
    post.resolve("1")
    post.drain()
    assert (len(post.slack.edited), len(post.email.edited)) == (0, 1)
    assert post.rows()[2:] == [("email", "resolved", "sent")]
    assert loud() == [], "somebody was told"


def test_the_chain_goes_on_to_its_end_and_then_to_the_journal_once(post: Post, loud: Loud) -> None:
    for box in (post.slack, post.telegram, post.email):
        box.fails = lambda: REFUSED
    post.fire("1", to=ON_AND_ON)
    post.pass_time(timedelta(hours=1))
    assert post.rows() == [(name, "firing", "failed") for name in ("slack", "telegram", "email")]
    assert post.gave_up() == [
        ("slack", "invalid_blocks", "telegram"), ("telegram", "invalid_blocks", "email"),
        ("email", "invalid_blocks", None),
    ]  # fmt: skip
    (record,) = loud()
    assert record.__dict__["ALERT"] == f"{KIND}:1"
    assert record.__dict__["ALERT_SEVERITY"] == "medium"
    assert "no other channel is left" in record.getMessage()


def test_a_channel_that_tells_it_anyway_does_not_tell_it_twice(post: Post, loud: Loud) -> None:
    post.slack.fails = failing(REFUSED)
    post.fire("1", to=replace(TO_MAIL, channels=("slack", "email")))
    post.drain()
    assert len(post.email.told) == 1
    assert post.gave_up() == [("slack", "invalid_blocks", "email")]
    assert loud() == []


def test_two_channels_that_give_up_share_one_message_on_the_next(post: Post) -> None:
    post.slack.fails, post.telegram.fails = failing(REFUSED), failing(REFUSED)
    post.fire("1", to=replace(TO_MAIL, channels=("slack", "telegram")))
    post.drain()
    assert len(post.email.told) == 1
    assert {channel: to for channel, _, to in post.gave_up()} == {"slack": "email", "telegram": "email"}


def test_where_the_next_channel_has_given_up_itself_the_one_after_it_is_asked(post: Post) -> None:
    post.telegram.fails = failing(REFUSED)
    post.fire("1", to=replace(ON_AND_ON, channels=("telegram", "slack"), fallback=("telegram", "email")))
    assert post.sender.run_once("telegram") is Delivered.GIVEN_UP
    post.slack.fails = failing(REFUSED)
    post.drain()
    assert (len(post.slack.told), len(post.telegram.told), len(post.email.told)) == (0, 0, 1)


def test_a_channel_that_is_unknown_here_or_switched_off_is_passed_over(post: Post, store: Store) -> None:
    with store.write() as connection:
        ChannelRepository().switch_off(connection, "telegram", "blocked", post.clock.now())
    post.slack.fails = failing(REFUSED)
    post.fire("1", to=replace(ON_AND_ON, fallback=("gone", "slack", "telegram", "email")))
    post.drain()
    assert (len(post.telegram.told), len(post.email.told)) == (0, 1)


def test_a_digest_goes_on_as_one_message(post: Post, store: Store) -> None:
    post.slack.fails = failing(REFUSED)
    post.fire("1", "2", "3", to=replace(TO_MAIL, digest_from=2))
    post.drain()
    (message,) = post.email.told
    assert len(message.items) == 3
    with store.read() as connection:
        told = connection.execute(select(notification_alerts).where(notification_alerts.c.channel == "email")).all()
    assert len(told) == 3
    post.resolve("2")
    post.drain()
    assert len(post.email.edited) == 1


def test_an_end_that_is_refused_is_told_nowhere_else(post: Post, loud: Loud) -> None:
    post.fire("1")
    post.drain()
    post.resolve("1")
    post.slack.fails = failing(REFUSED)
    assert post.drain() == [Delivered.GIVEN_UP]
    assert (post.email.told, loud()) == ([], [])


def test_what_was_over_by_then_is_told_nowhere(post: Post) -> None:
    post.slack.fails = failing(REFUSED)
    post.fire("1")
    post.sender.run_once("slack")
    post.resolve("1")
    assert post.drain() == []
    assert post.rows() == [("slack", "firing", "failed"), ("email", "firing", "cancelled")]


def test_whoever_takes_over_reads_the_same_language_and_calls_the_same_people(post: Post) -> None:
    post.slack.fails = failing(REFUSED)
    post.fire("1", to=replace(TO_MAIL, team="Sales", language=Wording.VIETNAMESE))
    post.drain()
    assert post.email.titles == ["Nguyễn Thị Lan đã chờ 23 phút trên Shop A (Messenger)"]


# --- tried in vain ---


@pytest.mark.parametrize("severity", Severity)
def test_the_tries_of_a_severity_fit_into_the_span_and_then_another_channel_tells_it(
    post: Post, severity: Severity
) -> None:
    attempts = 0

    def busy() -> DeliveryError:
        nonlocal attempts
        attempts += 1
        return BUSY

    post.slack.fails = busy
    post.fire("1", severity=severity)
    begun = post.clock.now()
    while not post.email.told:
        post.drain()
        post.clock.advance(timedelta(seconds=1))
        assert post.clock.now() - begun <= SPAN + timedelta(minutes=1)
    assert attempts == tries(severity) == {"critical": 10, "high": 5, "medium": 3, "low": 2, "info": 1}[severity]
    assert sum(WAITS[severity], timedelta(0)) <= SPAN
    assert post.gave_up() == [("slack", "HTTP 503", "email")]


def test_a_channel_without_another_one_is_tried_on_and_the_journal_says_it_once(post: Post, loud: Loud) -> None:
    post.slack.fails = lambda: BUSY
    post.fire("1", to=Audience(channels=("slack",)))
    post.pass_time(timedelta(hours=3))
    (record,) = loud()
    assert "in 3 tries" in record.getMessage()
    assert post.rows() == [("slack", "firing", "pending")]
    post.slack.fails = lambda: None
    post.pass_time(timedelta(minutes=5))
    assert len(post.slack.told) == 1, "what is still wrong was forgotten"


def test_the_journal_says_it_once_though_the_process_was_begun_anew(post: Post, loud: Loud) -> None:
    post.slack.fails = lambda: BUSY
    post.fire("1", to=Audience(channels=("slack",)))
    for _ in range(3):
        post.sender = post.started()
        post.pass_time(timedelta(minutes=20))
    assert len(loud()) == 1


def test_a_storm_behind_a_channel_that_is_down_goes_on_together_and_leaves_more_urgent_ones(
    post: Post, loud: Loud
) -> None:
    post.slack.fails = lambda: BUSY
    post.fire("urgent", severity=Severity.CRITICAL)
    post.fire(*(str(number) for number in range(600)), to=replace(TO_MAIL, digest_from=1_000))
    post.pass_time(SPAN + timedelta(minutes=2), step=timedelta(seconds=5))
    assert len(post.email.told) == 601
    assert (len(post.slack.told), loud()) == (0, [])
    assert len({message.fields["ALERT"] for message in post.email.told}) == 601


def test_three_hours_of_silence_use_up_the_tries_of_few_and_all_are_told_in_the_end(post: Post, loud: Loud) -> None:
    post.slack.fails = lambda: BUSY
    count = 150
    post.fire(*(str(number) for number in range(count)), to=Audience(channels=("slack",), digest_from=1_000))
    post.pass_time(timedelta(hours=3), step=timedelta(seconds=60))
    assert len(loud()) <= 3 * 60 * 2 / tries(Severity.MEDIUM), "a message was tried though the line was to rest"
    post.slack.fails = lambda: None
    post.pass_time(timedelta(minutes=6))
    assert len(post.slack.told) == count


def test_a_message_that_fails_alone_takes_no_other_along(post: Post) -> None:
    post.slack.fails = failing(BUSY)
    post.fire("1", severity=Severity.MEDIUM)
    assert post.sender.run_once("slack") is Delivered.RETRY_LATER
    post.clock.advance(timedelta(seconds=3))
    post.fire("2", severity=Severity.MEDIUM)
    assert post.sender.run_once("slack") is Delivered.SENT
    post.fire("3", severity=Severity.LOW)
    post.slack.fails = failing(*[BUSY] * 2)
    for _ in range(2):
        post.clock.advance(timedelta(minutes=4))
        post.sender.run_once("slack")
    assert ("slack", "firing", "pending") in post.rows(), "the channel works, so others may still be told there"


def test_keeping_the_pace_of_a_channel_that_works_is_no_failed_try(post: Post) -> None:
    asked = DeliveryError(Fault.TEMPORARY, "HTTP 429", timedelta(seconds=3))
    post.fire("1", "2", severity=Severity.INFO)
    post.slack.fails = failing(None, *[asked] * 5)
    post.pass_time(timedelta(minutes=1), step=timedelta(seconds=3))
    assert (len(post.slack.told), len(post.email.told)) == (2, 0)


def test_a_service_that_wants_to_be_left_alone_for_long_is_given_up_at_once_where_another_channel_is(
    post: Post, loud: Loud
) -> None:
    post.slack.fails = failing(DeliveryError(Fault.TEMPORARY, "HTTP 429", timedelta(minutes=20)))
    post.fire("1", severity=Severity.CRITICAL)
    post.drain()
    assert (len(post.email.told), loud()) == (1, [])


def test_a_message_behind_a_call_that_hangs_was_not_tried(post: Post) -> None:
    post.slack.fails = failing(*[NotTriedError(Fault.TEMPORARY, "an earlier attempt hangs")] * 5)
    post.fire("1", severity=Severity.INFO)
    post.pass_time(timedelta(minutes=30))
    assert (len(post.slack.told), len(post.email.told)) == (1, 0)


# --- switched off ---


def test_what_waits_on_a_channel_that_is_switched_off_goes_on_where_it_can(post: Post, loud: Loud) -> None:
    post.slack.fails = failing(DENIED)
    post.fire("1", "2")
    post.fire("3", to=Audience(channels=("slack",)))
    assert post.drain()[0] is Delivered.CHANNEL_OFF
    assert len(post.email.told) == 2
    assert [status for channel, _, status in post.rows() if channel == "slack"] == ["failed", "failed", "pending"]
    assert post.gave_up(2) == [("slack", "it is switched off: token_revoked", "email")]
    (record,) = loud()
    assert "slack is switched off: token_revoked" in record.getMessage()


def test_news_for_a_channel_that_is_off_already_goes_on_too(post: Post) -> None:
    post.slack.fails = failing(DENIED)
    post.fire("1")
    post.drain()
    post.fire("2")
    post.drain()
    assert len(post.email.told) == 2


def test_where_all_are_off_the_news_waits_for_the_first_that_comes_back(post: Post, store: Store) -> None:
    for box in (post.slack, post.email):
        box.fails = failing(DENIED)
    with store.write() as connection:
        ChannelRepository().switch_off(connection, "email", "no login", post.clock.now())
    post.fire("1")
    post.pass_time(timedelta(minutes=1))
    assert post.rows() == [("slack", "firing", "pending")]
    with store.write() as connection:
        ChannelRepository().switch_on(connection, "email")
    post.email.fails = lambda: None
    post.pass_time(timedelta(minutes=1))
    assert len(post.email.told) == 1


def test_an_end_waits_for_the_channel_that_told_the_beginning(post: Post) -> None:
    post.fire("1")
    post.drain()
    post.slack.fails = failing(DENIED)
    post.resolve("1")
    post.fire("2")
    post.drain()
    assert [message.fields["ALERT"] for message in post.email.told] == [f"{KIND}:2"]
    assert ("slack", "resolved", "pending") in post.rows()


def test_what_perhaps_arrived_before_its_sender_died_hears_of_its_end_there_as_well(post: Post, store: Store) -> None:
    post.fire("1")
    with store.write() as connection:
        connection.execute(notifications.update().values(maybe_sent=True))
    post.slack.fails = failing(REFUSED)
    post.drain()
    post.resolve("1")
    post.drain()
    assert ("slack", "resolved", "sent") in post.rows()
    assert ("email", "resolved", "sent") in post.rows()


def test_what_is_told_again_goes_on_too(post: Post, store: Store) -> None:
    loud = Route("loud", channels=("slack",), fallback=("email",), repeat=timedelta(hours=4))
    book = AlertBook(store, post.clock, ("slack", "telegram", "email"), post.sender.wake, Rules((loud,)))
    post.slack.fails = failing(DENIED)
    with book.transaction("monitor") as desk:
        desk.fire(unreplied("1", post.clock.now()))
    post.drain()
    for again in range(2, 4):
        post.clock.advance(timedelta(hours=4))
        AlertKeeper(store, post.clock, book).keep()
        post.drain()
        assert (len(post.slack.told), len(post.email.told)) == (0, again)
    assert len({message.id for message in post.email.told}) == 3
    post.resolve("1")
    post.drain()
    assert len(post.email.edited) == 3
