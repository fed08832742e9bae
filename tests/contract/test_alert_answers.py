"""Answers to alerts over both databases: who has one, and how the messages about it come to show that."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from alert_outbox import ME, Outbox
from sqlalchemy import select

from roundsman.clock import ManualClock
from roundsman.repositories.alert_answers import AlertAnswers, Answered, Author
from roundsman.repositories.alerts import AlertStatus
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store
from roundsman.repositories.notification_claims import DIGEST_REST
from roundsman.repositories.pollers import POSITION_GOOD_FOR, PollerRepository
from roundsman.repositories.presses import KEPT_FOR, PressRepository
from roundsman.repositories.tables import notifications, presses

LAN, MINH = Author("Lan", "telegram"), Author("Minh", note="on my way")
SALES = Audience("Sales", digest_from=3)
LEASE = timedelta(seconds=90)


@pytest.fixture
def outbox(store: Store, clock: ManualClock) -> Outbox:
    return Outbox(store, clock)


def acknowledge(outbox: Outbox, subject: str, author: Author = LAN) -> Answered:
    number, now = outbox.alert(subject).id, outbox.clock.now()
    with outbox.store.write() as connection:
        return AlertAnswers().acknowledge(connection, number, author, now)


def claim(outbox: Outbox, subject: str, author: Author) -> Answered:
    number, now = outbox.alert(subject).id, outbox.clock.now()
    with outbox.store.write() as connection:
        return AlertAnswers().claim(connection, number, author, now)


def snooze(outbox: Outbox, subject: str, author: Author = LAN, hours: int = 2) -> Answered:
    number, now = outbox.alert(subject).id, outbox.clock.now()
    with outbox.store.write() as connection:
        return AlertAnswers().snooze(connection, number, author, now, until=now + timedelta(hours=hours))


def resolve(outbox: Outbox, subject: str, author: Author = LAN) -> Answered:
    number, now = outbox.alert(subject).id, outbox.clock.now()
    with outbox.store.write() as connection:
        return AlertAnswers().resolve(connection, number, author, now)


def waiting(outbox: Outbox, channel: str = "slack") -> list[tuple[str, int | None]]:
    """(event, what it changes) of all that waits."""
    query = select(notifications.c.event, notifications.c.edits).where(
        notifications.c.channel == channel, notifications.c.status == "pending"
    )
    with outbox.store.read() as connection:
        return [(row.event, row.edits) for row in connection.execute(query.order_by(notifications.c.id))]


# --- who has it ---


def test_whoever_has_an_alert_decides_over_it_until_another_one_takes_it_over(outbox: Outbox) -> None:
    outbox.fire("1")
    assert acknowledge(outbox, "1", LAN) is Answered.TAKEN
    assert acknowledge(outbox, "1", LAN) is Answered.SO_ALREADY
    assert acknowledge(outbox, "1", MINH) is Answered.SOMEBODY_HAS_IT
    assert snooze(outbox, "1", MINH) is Answered.SOMEBODY_HAS_IT
    assert claim(outbox, "1", MINH) is Answered.TAKEN
    assert claim(outbox, "1", MINH) is Answered.SO_ALREADY
    assert snooze(outbox, "1", MINH) is Answered.TAKEN
    assert acknowledge(outbox, "1", LAN) is Answered.SOMEBODY_HAS_IT
    trail = [(each.event.value, each.detail) for each in outbox.trail("1")][1:]
    until = (outbox.clock.now() + timedelta(hours=2)).isoformat()
    assert trail == [
        ("acknowledged", {"by": "Lan", "via": "telegram"}),
        ("claimed", {"by": "Minh", "note": "on my way", "from": "Lan"}),
        ("snoozed", {"by": "Minh", "note": "on my way", "until": until}),
    ]


def test_a_snooze_that_is_over_belongs_to_nobody(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("1")
    snooze(outbox, "1", LAN)
    clock.advance(timedelta(hours=2))
    assert acknowledge(outbox, "1", MINH) is Answered.TAKEN
    assert (outbox.alert("1").taken_by, outbox.alert("1").taken_at) == ("Minh", clock.now())


@pytest.mark.parametrize("answer", [acknowledge, snooze, resolve, lambda outbox, name: claim(outbox, name, LAN)])
def test_what_is_over_takes_no_answer(outbox: Outbox, answer: Callable[[Outbox, str], Answered]) -> None:
    outbox.fire("1")
    outbox.resolve("1")
    before = outbox.trail("1")
    assert answer(outbox, "1") is Answered.OVER
    assert outbox.trail("1") == before


def test_what_is_resolved_by_hand_says_by_whom_and_its_messages_are_ended(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.drain()
    assert resolve(outbox, "1") is Answered.TAKEN
    alert = outbox.alert("1")
    assert (alert.status, alert.resolution, alert.annotations["resolved_by"]) == (
        AlertStatus.RESOLVED, "resolved by Lan", "Lan",
    )  # fmt: skip
    assert [each.event.value for each in outbox.drain()] == ["resolved"]
    assert ("resolved", None, {"reason": "resolved by Lan", "by": "Lan", "via": "telegram"}) in outbox.events("1")


@pytest.mark.parametrize("unknown", [99])
def test_what_does_not_exist_is_told_apart(outbox: Outbox, unknown: int) -> None:
    with outbox.store.write() as connection:
        answers, now = AlertAnswers(), outbox.clock.now()
        assert answers.claim(connection, unknown, LAN, now) is Answered.UNKNOWN
        assert answers.resolve(connection, unknown, LAN, now) is Answered.UNKNOWN
        assert answers.snooze(connection, unknown, LAN, now, until=now) is Answered.UNKNOWN


def test_of_many_who_acknowledge_at_once_one_has_it(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.drain()
    together, came = threading.Barrier(6), []

    def work(name: str) -> None:
        together.wait(10)
        came.append(acknowledge(outbox, "1", Author(name)))

    threads = [threading.Thread(target=work, args=(f"P{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(each.name for each in came) == ["SOMEBODY_HAS_IT"] * 5 + ["TAKEN"]
    assert len(outbox.trail("1")) == 3
    assert waiting(outbox) == [("changed", 1)]


# --- how messages come to show it ---


def test_an_answer_changes_the_newest_message_of_each_level_and_a_second_one_joins_it(outbox: Outbox) -> None:
    outbox.fire("1", level=0)
    warning = outbox.send()
    outbox.escalate("1", level=1)
    late = outbox.send()
    acknowledge(outbox, "1", LAN)
    assert waiting(outbox) == [("changed", warning.id), ("changed", late.id)]
    claim(outbox, "1", MINH)
    assert len(waiting(outbox)) == 2
    changes = outbox.drain()
    assert [(each.edits, each.shows, each.news_of) for each in changes] == [
        (warning.id, (outbox.alert("1").id,), ()), (late.id, (outbox.alert("1").id,), ()),
    ]  # fmt: skip
    assert {each.firing_receipt["words"] for each in changes if each.firing_receipt} == {
        f"message {warning.id}", f"message {late.id}",
    }  # fmt: skip
    assert [each.event.value for each in outbox.trail("1")][-2:] == ["acknowledged", "claimed"], "no news, so no log"


def test_what_waits_to_be_told_shows_the_answer_itself(outbox: Outbox) -> None:
    outbox.fire("1")
    acknowledge(outbox, "1")
    assert waiting(outbox) == [("firing", None)]


def test_an_end_makes_a_change_that_waits_its_own(outbox: Outbox) -> None:
    outbox.fire("1")
    told = outbox.send()
    acknowledge(outbox, "1")
    outbox.resolve("1")
    assert waiting(outbox) == [("resolved", told.id)]
    (end,) = outbox.drain()
    assert outbox.subjects(end.news_of) == ["1"]
    assert ("1", "resolved", 1, "sent") in outbox.told()


def test_a_channel_that_cannot_edit_hears_nothing_of_answers(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.send("hook")
    before = outbox.trail("1")
    acknowledge(outbox, "1")
    assert outbox.claim("hook") is None
    assert waiting(outbox, "hook") == []
    assert [each.event.value for each in outbox.trail("1")] == [*(e.event.value for e in before), "acknowledged"]


def test_a_message_of_which_nobody_knows_whether_it_arrived_is_not_sent_once_more_for_an_answer(
    outbox: Outbox, clock: ManualClock
) -> None:
    outbox.fire("1")
    outbox.claimed()
    with outbox.store.write() as connection:
        outbox.claims.release(connection, [ME], [], clock.now())
        connection.execute(notifications.update().where(notifications.c.channel == "slack").values(status="sent"))
    acknowledge(outbox, "1")
    assert outbox.claim() is None
    outbox.resolve("1")
    assert outbox.send().event == "resolved", "whoever did get it must hear the end"


def test_a_change_waits_for_the_message_and_for_an_older_change_in_flight(outbox: Outbox) -> None:
    outbox.fire("1")
    telling = outbox.claimed()
    acknowledge(outbox, "1")
    assert outbox.claim() is None, "the message itself is still in flight"
    outbox.sent(telling)
    older = outbox.claimed()
    claim(outbox, "1", MINH)
    assert outbox.claim() is None, "an older text would overwrite a newer one"
    outbox.sent(older)
    assert outbox.send().edits == telling.id


def test_a_change_in_flight_that_fails_leaves_it_to_the_one_that_waits(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("a", "b", "c", audience=SALES)
    digest = outbox.send()
    outbox.resolve("a")
    flying = outbox.claimed()
    acknowledge(outbox, "b")
    assert waiting(outbox) == [("changed", digest.id)]
    with outbox.store.write() as connection:
        assert outbox.claims.retry(connection, flying, clock.now() + timedelta(hours=1), "HTTP 503")
    assert waiting(outbox) == [("resolved", digest.id)], "it has become the news of an end"
    heir = outbox.send()
    assert (outbox.subjects(heir.news_of), outbox.subjects(heir.shows)) == (["a"], ["a", "b", "c"])
    with outbox.store.write() as connection:
        assert not outbox.claims.retry(connection, flying, clock.now(), "late"), "it is no longer ours"


def test_a_change_whose_sender_died_leaves_it_to_the_one_that_waits(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("1")
    told = outbox.send()
    acknowledge(outbox, "1")
    outbox.claimed()
    outbox.resolve("1")
    assert waiting(outbox) == [("resolved", told.id)]
    with outbox.store.write() as connection:
        outbox.claims.release(connection, [ME], [], clock.now())
    assert waiting(outbox) == [("resolved", told.id)]
    assert [each.event.value for each in outbox.drain()] == ["resolved"]


def test_a_digest_is_changed_for_one_of_its_alerts_and_then_rests(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("a", "b", "c", audience=SALES)
    digest = outbox.send()
    acknowledge(outbox, "b")
    change = outbox.send()
    assert (change.edits, change.event.value, len(change.shows)) == (digest.id, "changed", 3)
    acknowledge(outbox, "c")
    assert outbox.claim() is None
    clock.advance(DIGEST_REST)
    assert outbox.send().edits == digest.id


def test_forty_answers_to_one_alert_are_one_change(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.send()
    for number in range(40):
        claim(outbox, "1", Author(f"P{number}"))
    assert len(outbox.drain()) == 1


# --- presses and pollers ---


def test_a_press_is_seen_to_once_and_forgotten_after_a_week(store: Store, clock: ManualClock) -> None:
    repository = PressRepository()
    with store.write() as connection:
        assert repository.take(connection, "telegram", "1", clock.now())
        repository.say(connection, "telegram", "1", "Acknowledged.")
        assert not repository.take(connection, "telegram", "1", clock.now())
        assert repository.take(connection, "slack", "1", clock.now()), "each service has its own"
        assert repository.said(connection, "telegram", "1") == "Acknowledged."
    clock.advance(KEPT_FOR + timedelta(seconds=1))
    with store.write() as connection:
        assert repository.take(connection, "telegram", "2", clock.now())
        assert connection.execute(select(presses.c.press)).scalars().all() == ["2"]


def test_one_of_several_daemons_asks_and_goes_on_where_the_other_was(store: Store, clock: ManualClock) -> None:
    repository, theirs = PollerRepository(), "elsewhere/boot/7/7"
    with store.write() as connection:
        turn = repository.take(connection, "bot", ME, clock.now(), LEASE)
        assert turn is not None
        assert turn.position is None
        repository.move(connection, "bot", 41, clock.now())
        assert repository.take(connection, "bot", theirs, clock.now(), LEASE) is None
        assert repository.take(connection, "other bot", theirs, clock.now(), LEASE) is not None
    clock.advance(LEASE)
    with store.write() as connection:
        turn = repository.take(connection, "bot", theirs, clock.now(), LEASE)
        assert turn is not None
        assert turn.position == 41
        assert repository.take(connection, "bot", ME, clock.now(), LEASE) is None
        repository.leave(connection, "bot", ME)
        assert repository.take(connection, "bot", ME, clock.now(), LEASE) is None, "it was not ours to leave"
        repository.leave(connection, "bot", theirs)
        assert repository.take(connection, "bot", ME, clock.now(), LEASE) is not None


def test_a_place_of_long_ago_is_worth_nothing(store: Store, clock: ManualClock) -> None:
    repository = PollerRepository()
    with store.write() as connection:
        repository.take(connection, "bot", ME, clock.now(), LEASE)
        repository.move(connection, "bot", 41, clock.now())
    clock.advance(POSITION_GOOD_FOR)
    with store.write() as connection:
        turn = repository.take(connection, "bot", ME, clock.now(), LEASE)
    assert turn is not None
    assert turn.position is None, "Telegram may have begun to count anew"
