"""Alerts, notifications and channels over both databases."""

from datetime import timedelta

import pytest
from alert_samples import KIND, unreplied
from sqlalchemy import func, select

from roundsman.alerts.book import AlertBook, AlertDesk, Fired, Resolved
from roundsman.clock import ManualClock
from roundsman.repositories.alerts import AlertRepository, AlertStatus, Resolution
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.notification_claims import Claim, NotificationClaims
from roundsman.repositories.notifications import NotificationRepository, NotificationStatus
from roundsman.repositories.tables import alerts, notifications

ALERTS, OUTBOX, CHANNELS = AlertRepository(), NotificationRepository(), ChannelRepository()
CLAIMS = NotificationClaims()
LEASE = timedelta(seconds=60)
ME, OTHER = "here/boot/1/1", "here/boot/2/2"


class Wakes(list[int]):
    def __call__(self) -> None:
        self.append(1)


@pytest.fixture
def wakes() -> Wakes:
    return Wakes()


@pytest.fixture
def book(store: Store, clock: ManualClock, wakes: Wakes) -> AlertBook:
    return AlertBook(store, clock, ["slack", "telegram"], wakes)


def fire(book: AlertBook, clock: ManualClock, *subjects: str) -> list[Fired]:
    with book.transaction("monitor") as desk:
        return [desk.fire(unreplied(subject, clock.now())) for subject in subjects]


def resolve(book: AlertBook, subject: str) -> Resolved:
    with book.transaction("monitor") as desk:
        return desk.resolve(f"{KIND}:{subject}", "answered", answered_by="Hoa")


def claim(store: Store, clock: ManualClock, channel: str = "slack", owner: str = ME) -> Claim | None:
    with store.write() as connection:
        return CLAIMS.claim(connection, channel, owner, clock.now(), LEASE)


def claimed(store: Store, clock: ManualClock, channel: str = "slack", owner: str = ME) -> Claim:
    found = claim(store, clock, channel, owner)
    assert found is not None
    return found


def sent(store: Store, clock: ManualClock, mine: Claim) -> bool:
    with store.write() as connection:
        return CLAIMS.sent(connection, mine, {"words": "m1"}, clock.now())


def states(store: Store) -> list[tuple[str, str, str, str]]:
    """(subject, channel, event, status) of every notification, sorted."""
    query = select(alerts.c.fingerprint, notifications.c.channel, notifications.c.event, notifications.c.status)
    with store.read() as connection:
        rows = connection.execute(query.join(notifications, notifications.c.alert_id == alerts.c.id)).all()
    return sorted((row.fingerprint.removeprefix(f"{KIND}:"), row.channel, row.event, row.status) for row in rows)


# --- opening ---


def test_an_alert_opens_once_with_one_notification_a_channel(
    store: Store, book: AlertBook, clock: ManualClock, wakes: Wakes
) -> None:
    assert fire(book, clock, "1", "1") == [Fired.OPENED, Fired.STILL_OPEN]
    assert len(wakes) == 1
    clock.advance(timedelta(minutes=1))
    assert fire(book, clock, "1") == [Fired.STILL_OPEN]
    assert len(wakes) == 1, "nothing new was enqueued, so nobody is woken"
    assert states(store) == [("1", "slack", "firing", "pending"), ("1", "telegram", "firing", "pending")]


def test_what_an_alert_was_opened_with_comes_back(store: Store, book: AlertBook, clock: ManualClock) -> None:
    condition = unreplied("c-1", clock.now(), customer_name="Trần Văn Ế 🐣", note=None)
    with book.transaction("monitor") as desk:
        desk.fire(condition)
        (alert,) = desk.open_subjects(KIND).values()
    assert (alert.subject, alert.kind, alert.severity, alert.level) == ("c-1", KIND, condition.severity, 1)
    assert (alert.job, alert.status, alert.opened_at) == ("monitor", AlertStatus.FIRING, clock.now())
    assert (alert.since_at, alert.labels, alert.annotations) == (
        condition.since, condition.labels, condition.annotations,
    )  # fmt: skip


def test_a_failed_transaction_leaves_no_alert_and_wakes_nobody(
    store: Store, book: AlertBook, clock: ManualClock, wakes: Wakes
) -> None:
    with pytest.raises(RuntimeError), book.transaction("monitor") as desk:
        desk.fire(unreplied("1", clock.now()))
        raise RuntimeError
    assert states(store) == []
    assert wakes == []


def test_many_alerts_open_in_one_transaction(store: Store, book: AlertBook, clock: ManualClock) -> None:
    conditions = [unreplied(str(number), clock.now()) for number in range(1_200)]
    with book.transaction("monitor") as desk:
        assert set(desk.fire_all(conditions).values()) == {Fired.OPENED}
        assert set(desk.fire_all(conditions).values()) == {Fired.STILL_OPEN}
        assert len(desk.open_subjects(KIND)) == 1_200
        assert desk.open_subjects("another_kind") == {}
    with book.transaction("monitor") as desk:
        answers = desk.resolve_all({condition.fingerprint: Resolution("answered") for condition in conditions})
    assert set(answers.values()) == {Resolved.RESOLVED}
    with store.read() as connection:
        assert ALERTS.count_open(connection) == 0


def test_who_has_waited_longest_is_told_of_first(store: Store, book: AlertBook, clock: ManualClock) -> None:
    with book.transaction("monitor") as desk:
        waits = {"a": 20, "b": 90, "c": 40}
        desk.fire_all([unreplied(name, clock.now(), timedelta(minutes=wait)) for name, wait in waits.items()])
    order = []
    for _ in range(3):
        mine = claimed(store, clock)
        with store.read() as connection:
            alert = ALERTS.find(connection, mine.alert_id)
        assert alert is not None
        order.append(alert.subject)
    assert order == ["b", "c", "a"]


def test_a_resolved_alert_may_open_again(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1")
    resolve(book, "1")
    assert fire(book, clock, "1") == [Fired.OPENED]
    with store.read() as connection:
        assert [alert.status for alert in ALERTS.latest(connection)] == [AlertStatus.FIRING, AlertStatus.RESOLVED]
        assert len(ALERTS.all_open(connection)) == 1


# --- resolving ---


def test_nobody_hears_of_what_ended_before_it_was_told(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1")
    assert resolve(book, "1") is Resolved.RESOLVED
    assert resolve(book, "1") is Resolved.NOT_OPEN
    assert states(store) == [("1", "slack", "firing", "cancelled"), ("1", "telegram", "firing", "cancelled")]
    assert claim(store, clock) is None


def test_who_was_told_hears_of_the_end_with_the_receipt_to_edit(
    store: Store, book: AlertBook, clock: ManualClock
) -> None:
    fire(book, clock, "1")
    assert sent(store, clock, claimed(store, clock))
    resolve(book, "1")
    assert states(store) == [
        ("1", "slack", "firing", "sent"), ("1", "slack", "resolved", "pending"),
        ("1", "telegram", "firing", "cancelled"),
    ]  # fmt: skip
    end = claimed(store, clock)
    assert (end.event, end.firing_receipt) == ("resolved", {"words": "m1"})
    with store.read() as connection:
        alert = ALERTS.find(connection, end.alert_id)
    assert alert is not None
    assert (alert.resolution, alert.resolved_at) == ("answered", clock.now())
    assert (alert.annotations["answered_by"], alert.annotations["page_name"]) == ("Hoa", "Shop A")


def test_the_end_waits_for_a_message_in_flight(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1")
    flying = claimed(store, clock)
    resolve(book, "1")
    assert claim(store, clock, owner=OTHER) is None
    sent(store, clock, flying)
    assert claimed(store, clock, owner=OTHER).event == "resolved"


def test_the_end_of_what_did_not_arrive_is_not_told(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1")
    flying = claimed(store, clock)
    resolve(book, "1")
    with store.write() as connection:
        CLAIMS.retry(connection, flying, clock.now(), "HTTP 503")
    assert claim(store, clock) is None
    assert [state[3] for state in states(store)] == ["cancelled"] * 3


# --- claiming ---


@pytest.mark.parametrize("resolved_first", [True, False])
def test_who_was_perhaps_told_by_a_sender_that_died_hears_of_the_end(
    store: Store, book: AlertBook, clock: ManualClock, resolved_first: bool
) -> None:
    fire(book, clock, "1")
    claimed(store, clock, owner=OTHER)
    for resolves_now in (resolved_first, not resolved_first):
        if resolves_now:
            resolve(book, "1")
        else:
            with store.write() as connection:
                CLAIMS.release(connection, [OTHER], [], clock.now())
    end = claimed(store, clock)
    assert (end.event, end.firing_receipt) == ("resolved", None)


def test_a_notification_is_claimed_once(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1")
    mine = claimed(store, clock)
    assert claim(store, clock, owner=OTHER) is None
    assert sent(store, clock, mine)
    assert claim(store, clock) is None
    assert not sent(store, clock, mine), "what is recorded is not recorded again"


def test_a_retry_waits_for_its_time(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1")
    mine = claimed(store, clock)
    with store.write() as connection:
        assert CLAIMS.retry(connection, mine, clock.now() + timedelta(seconds=30), "HTTP 503")
    assert claim(store, clock) is None
    clock.advance(timedelta(seconds=30))
    assert claimed(store, clock).attempts == 2


def test_a_claim_is_freed_by_its_lease_or_its_owners_death(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1", "2", "3")
    first, second, third = claimed(store, clock, owner=OTHER), claimed(store, clock), claimed(store, clock)
    with store.write() as connection:
        assert CLAIMS.release(connection, [OTHER], [], clock.now()) == 1
    again = claimed(store, clock)
    assert (again.id, again.attempts) == (first.id, 2)
    clock.advance(LEASE)
    with store.write() as connection:
        assert CLAIMS.release(connection, [], [second.id], clock.now()) == 2
    assert not sent(store, clock, third), "the claim was lost, another one holds it"
    assert sent(store, clock, second)


def test_the_outlook_names_what_is_next_for_each_channel(store: Store, book: AlertBook, clock: ManualClock) -> None:
    with store.read() as connection:
        assert OUTBOX.outlook(connection, clock.now()) == []
    fire(book, clock, "1", "2")
    mine = claimed(store, clock)
    with store.read() as connection:
        seen = {(entry.channel, entry.owner): entry.earliest for entry in OUTBOX.outlook(connection, clock.now())}
    assert seen == {
        ("slack", None): clock.now(), ("slack", ME): clock.now() + LEASE, ("telegram", None): clock.now(),
    }  # fmt: skip
    with store.write() as connection:
        CHANNELS.register(connection, {"telegram": "a"})
        CHANNELS.switch_off(connection, "telegram", "gone", clock.now())
        CLAIMS.failed(connection, mine, "no_text", clock.now())
        assert [entry.channel for entry in OUTBOX.outlook(connection, clock.now())] == ["slack"]


def test_news_that_was_made_when_the_clock_was_ahead_leaves_at_once(
    store: Store, book: AlertBook, clock: ManualClock
) -> None:
    fire(book, clock, "1")
    clock.advance(timedelta(hours=-2))
    with store.read() as connection:
        assert {each.earliest for each in OUTBOX.outlook(connection, clock.now())} == {clock.now()}
    mine = claimed(store, clock)
    with store.write() as connection:
        CLAIMS.retry(connection, mine, clock.now() + timedelta(seconds=15), "HTTP 503")
    assert claim(store, clock) is None, "of what was tried the pause counts, or all tries would be used up at once"
    clock.advance(timedelta(seconds=15))
    assert sent(store, clock, claimed(store, clock))


def test_deliveries_are_listed_by_alert(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1")
    mine = claimed(store, clock)
    with store.write() as connection:
        CLAIMS.failed(connection, mine, "no_text", clock.now())
    with store.read() as connection:
        entries = OUTBOX.of_alerts(connection, [mine.alert_id, 999])[mine.alert_id]
    assert [(entry.channel, entry.status, entry.error) for entry in entries] == [
        ("slack", NotificationStatus.FAILED, "no_text"), ("telegram", NotificationStatus.PENDING, None),
    ]  # fmt: skip


# --- channels ---


def test_a_channel_that_is_off_keeps_its_notifications(store: Store, book: AlertBook, clock: ManualClock) -> None:
    fire(book, clock, "1")
    with store.write() as connection:
        assert CHANNELS.register(connection, {"slack": "a", "telegram": "a"}) == set()
        assert CHANNELS.switch_off(connection, "slack", "token_revoked", clock.now())
        assert not CHANNELS.switch_off(connection, "slack", "again", clock.now())
    assert claim(store, clock) is None
    assert claim(store, clock, "telegram") is not None
    with store.write() as connection:
        assert CHANNELS.register(connection, {"slack": "a"}) == set(), "the same settings do not switch it on"
        assert CHANNELS.states(connection)["slack"].off_reason == "token_revoked"
        assert CHANNELS.register(connection, {"slack": "b"}) == {"slack"}
    assert claim(store, clock) is not None


def test_a_channel_is_switched_on_by_hand_once(store: Store, clock: ManualClock) -> None:
    with store.write() as connection:
        CHANNELS.register(connection, {"slack": "a"})
        assert not CHANNELS.switch_on(connection, "slack")
        CHANNELS.switch_off(connection, "slack", "gone", clock.now())
        assert CHANNELS.switch_on(connection, "slack")
        assert CHANNELS.states(connection)["slack"].off_since is None


def test_the_desk_shares_the_callers_transaction(store: Store, book: AlertBook, clock: ManualClock) -> None:
    with book.transaction("monitor") as desk:
        assert isinstance(desk, AlertDesk)
        desk.fire(unreplied("1", clock.now()))
        assert desk.connection.execute(select(func.count()).select_from(alerts)).scalar_one() == 1
        with store.read() as other:
            assert other.execute(select(func.count()).select_from(alerts)).scalar_one() == 0
