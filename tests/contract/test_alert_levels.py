"""Alerts that rise, over both databases: each level is told once, and every message of an incident hears its end."""

import sqlite3
import threading
from datetime import timedelta
from typing import Any

import pytest
from alert_outbox import Outbox
from alert_samples import KIND
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from roundsman.alerts.condition import Escalated, Escalation
from roundsman.clock import ManualClock
from roundsman.repositories.alert_answers import AlertAnswers, Answered, Author
from roundsman.repositories.alerts import AlertStatus, Severity
from roundsman.repositories.audience import Audience, Mention
from roundsman.repositories.engine import Store
from roundsman.repositories.notifications import NewNotification, NotificationEvent, NotificationRepository

SALES = Audience("Sales", ("slack",), (Mention("Lan", "U024BE7LH", "123456789"),))


@pytest.fixture
def outbox(store: Store, clock: ManualClock) -> Outbox:
    return Outbox(store, clock)


# --- rising ---


def test_each_level_is_told_once(outbox: Outbox) -> None:
    outbox.fire("1")
    assert outbox.escalate("1", "9", level=2) == [Escalated.RAISED, Escalated.NOT_OPEN]
    assert outbox.escalate("1", level=2) == [Escalated.ALREADY_TOLD]
    assert outbox.escalate("1", level=1) == [Escalated.ALREADY_TOLD]
    assert outbox.escalate("1", level=4) == [Escalated.RAISED]
    assert outbox.told() == [("1", "firing", level, "pending") for level in (1, 2, 4)]
    assert outbox.alert("1").level == 4


def test_of_several_levels_for_one_alert_the_highest_counts(outbox: Outbox) -> None:
    outbox.fire("1")
    with outbox.book().transaction("monitor") as desk:
        answers = desk.escalate_all([Escalation(f"{KIND}:1", level) for level in (2, 3, 2)])
    assert answers == {f"{KIND}:1": Escalated.RAISED}
    assert outbox.told() == [("1", "firing", 1, "pending"), ("1", "firing", 3, "pending")]


def test_a_level_brings_its_own_audience_facts_and_severity(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("1")
    outbox.drain()
    clock.advance(timedelta(minutes=30))
    rise = Escalation(f"{KIND}:1", 2, SALES, {"waited_minutes": 54, "customer_name": "Lan B"}, Severity.HIGH)
    with outbox.book().transaction("monitor") as desk:
        assert desk.escalate(rise) is Escalated.RAISED
    alert, claim = outbox.alert("1"), outbox.claimed()
    assert (alert.severity, alert.facts_at) == (Severity.HIGH, clock.now())
    assert (alert.annotations["waited_minutes"], alert.annotations["page_name"]) == (54, "Shop A")
    assert (claim.level, claim.audience) == (2, Audience("Sales", mentions=SALES.mentions))
    assert outbox.told("hook") == [("1", "firing", 1, "pending")], "its audience is not on this channel"


def test_an_audience_whose_channels_do_not_exist_is_told_on_all(outbox: Outbox) -> None:
    outbox.fire("1", audience=Audience("Night shift", ("pager",)))
    assert outbox.told("slack") == outbox.told("hook") == [("1", "firing", 1, "pending")]
    ((_, _, detail),) = outbox.events("1")
    assert (detail["not_configured"], detail["channels"]) == (["pager"], ["slack", "hook"])


def test_what_somebody_has_acknowledged_rises_no_further_and_ends_as_always(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.drain()
    assert acknowledge(outbox, "1") is Answered.TAKEN
    assert outbox.escalate("1", level=2) == [Escalated.TAKEN]
    assert (outbox.alert("1").level, outbox.alert("1").status) == (1, AlertStatus.ACKNOWLEDGED)
    outbox.fire("1")
    assert [claim.event for claim in outbox.drain()] == ["changed"], "what is acknowledged is not told again"
    outbox.resolve("1")
    assert outbox.send().event == "resolved"
    assert acknowledge(outbox, "1") is Answered.OVER


def test_a_snooze_ends_by_itself(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("1")
    until = clock.now() + timedelta(hours=2)
    with outbox.store.write() as connection:
        number = outbox.alert("1").id
        assert AlertAnswers().snooze(connection, number, Author("Hoa"), clock.now(), until=until) is Answered.TAKEN
    assert outbox.escalate("1", level=2) == [Escalated.TAKEN]
    clock.advance(timedelta(hours=2))
    assert outbox.escalate("1", level=2) == [Escalated.RAISED]
    alert = outbox.alert("1")
    assert (alert.status, alert.taken_by, alert.taken_until) == (AlertStatus.FIRING, None, None)
    assert [entry.event.value for entry in outbox.trail("1")] == ["opened", "snoozed", "escalated"]


def test_an_answer_to_an_alert_that_does_not_exist_is_told_apart(outbox: Outbox, clock: ManualClock) -> None:
    with outbox.store.write() as connection:
        answered = AlertAnswers().acknowledge(connection, 99, Author("Hoa"), clock.now())
    assert answered is Answered.UNKNOWN


def acknowledge(outbox: Outbox, subject: str) -> Answered:
    number = outbox.alert(subject).id
    with outbox.store.write() as connection:
        return AlertAnswers().acknowledge(connection, number, Author("Hoa", note="on it"), outbox.clock.now())


def test_a_store_that_is_asked_to_tell_the_same_twice_refuses(outbox: Outbox) -> None:
    outbox.fire("1")
    again = NewNotification("slack", NotificationEvent.FIRING, 1, 0, (outbox.alert("1").id,))
    with pytest.raises((IntegrityError, sqlite3.IntegrityError)), outbox.store.write() as connection:
        NotificationRepository().enqueue(connection, [again], outbox.clock.now())


def test_a_failed_transaction_has_raised_nothing(outbox: Outbox) -> None:
    outbox.fire("1")
    with pytest.raises(RuntimeError), outbox.book().transaction("monitor") as desk:
        desk.escalate(Escalation(f"{KIND}:1", 2))
        raise RuntimeError
    assert outbox.alert("1").level == 1
    assert outbox.told() == [("1", "firing", 1, "pending")]


def test_two_daemons_that_raise_at_once_tell_it_once(outbox: Outbox) -> None:
    outbox.fire("1")
    answers: list[Escalated] = []
    together = threading.Barrier(4)

    def raise_it() -> None:
        together.wait(10)
        answers.extend(outbox.escalate("1", level=2))

    threads = [threading.Thread(target=raise_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answer.name for answer in answers) == ["ALREADY_TOLD"] * 3 + ["RAISED"]
    assert outbox.told() == [("1", "firing", 1, "pending"), ("1", "firing", 2, "pending")]


# --- warnings ---


def test_a_warning_is_level_0_and_may_come_true(outbox: Outbox) -> None:
    outbox.fire("1", level=0)
    assert outbox.send().event == "warning"
    assert outbox.escalate("1", level=1) == [Escalated.RAISED]
    told = outbox.send()
    assert (told.event, told.level) == ("firing", 1)
    assert outbox.told() == [("1", "firing", 1, "sent"), ("1", "warning", 0, "sent")]


def test_a_warning_that_has_come_true_is_not_sent_any_more(outbox: Outbox) -> None:
    outbox.fire("1", level=0)
    outbox.escalate("1", level=1)
    assert [claim.event for claim in outbox.drain()] == ["firing"]
    assert outbox.told() == [("1", "firing", 1, "sent"), ("1", "warning", 0, "cancelled")]
    assert ("cancelled", "slack") in [entry[:2] for entry in outbox.events("1")]


def test_whoever_was_warned_hears_that_it_is_over(outbox: Outbox) -> None:
    outbox.fire("1", level=0)
    warning = outbox.send()
    outbox.resolve("1")
    end = outbox.send()
    assert (end.event, end.edits) == ("resolved", warning.id)


# --- ends ---


def test_every_message_of_the_incident_is_edited_at_its_end(outbox: Outbox) -> None:
    outbox.fire("1", level=0)
    first = [outbox.send()]
    for level in (1, 2):
        outbox.escalate("1", level=level)
        first.append(outbox.send())
    outbox.escalate("1", level=3)
    outbox.resolve("1")
    ends = outbox.drain()
    assert sorted((end.edits or 0, end.firing_receipt) for end in ends) == [
        (told.id, {"words": f"message {told.id}"}) for told in first
    ]
    assert ("1", "firing", 3, "cancelled") in outbox.told(), "a level that was not told yet is not told any more"


def test_a_channel_that_cannot_edit_gets_one_reply(outbox: Outbox) -> None:
    outbox.fire("1", level=0)
    for level in (1, 2):
        outbox.drain("hook")
        outbox.escalate("1", level=level)
    outbox.drain("hook")
    outbox.resolve("1")
    assert [(end.event, end.level) for end in outbox.drain("hook")] == [("resolved", 2)]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_channel_that_cannot_edit_hears_the_end_even_if_the_higher_level_did_not_arrive(
    outbox: Outbox, order: tuple[int, int]
) -> None:
    outbox.fire("1")
    outbox.send("hook")
    outbox.escalate("1", level=2)
    flying = outbox.claimed("hook")
    for step in order:
        if step == 1:
            outbox.resolve("1")
        else:
            with outbox.store.write() as connection:
                assert outbox.claims.failed(connection, flying, "no_text", outbox.clock.now())
    assert [(end.event, end.level) for end in outbox.drain("hook")] == [("resolved", 1)]


def test_a_new_incident_begins_at_its_first_level_again(outbox: Outbox) -> None:
    outbox.fire("1")
    outbox.escalate("1", level=3)
    outbox.drain()
    outbox.resolve("1")
    outbox.fire("1")
    assert outbox.alert("1").level == 1
    assert outbox.escalate("1", level=2) == [Escalated.RAISED]


# --- order ---


def test_criticals_leave_first_then_higher_levels_then_the_older_and_ends_last(outbox: Outbox) -> None:
    outbox.fire("over")
    outbox.drain()
    outbox.resolve("over")
    outbox.fire("old", waited_min=90)
    outbox.fire("risen", "young")
    outbox.fire("warned", level=0)
    outbox.fire("worst", waited_min=1)
    outbox.escalate("risen", level=2)
    with outbox.book().transaction("monitor") as desk:
        desk.escalate(Escalation(f"{KIND}:worst", 2, severity=Severity.CRITICAL))
    left = [(outbox.subjects(claim.shows)[0], claim.level, claim.event.value) for claim in outbox.drain()]
    assert left == [
        ("worst", 2, "firing"), ("risen", 2, "firing"), ("old", 1, "firing"), ("risen", 1, "firing"),
        ("young", 1, "firing"), ("worst", 1, "firing"), ("over", 1, "resolved"), ("warned", 0, "warning"),
    ]  # fmt: skip


def test_the_next_message_is_found_along_an_index(sqlite_store: Store, clock: ManualClock) -> None:
    outbox, asked = Outbox(sqlite_store, clock), []
    outbox.fire("1")

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(sqlite_store.engine, "before_cursor_execute", note)
    outbox.claimed()
    event.remove(sqlite_store.engine, "before_cursor_execute", note)
    ((statement, values),) = [entry for entry in asked if "told_receipt" in entry[0]]
    with sqlite_store.read() as connection:
        plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert "SEARCH notifications USING INDEX ix_notifications_open (channel=?)" in plan
    assert not any("TEMP B-TREE" in step for step in plan), "it sorts all that wait for each one that leaves"


# --- the log ---


def test_the_log_tells_who_was_told_when_and_why_not(outbox: Outbox, clock: ManualClock) -> None:
    outbox.fire("1", audience=SALES)
    clock.advance(timedelta(seconds=2))
    outbox.send()
    outbox.escalate("1", level=2)
    flying = outbox.claimed("hook")
    with outbox.store.write() as connection:
        outbox.claims.failed(connection, flying, "no_text", clock.now())
    outbox.resolve("1")
    outbox.drain()
    assert [(entry.event.value, entry.level, entry.channel, entry.detail) for entry in outbox.trail("1")] == [
        ("opened", 1, None, {"team": "Sales", "channels": ["slack"], "mentions": ["Lan"]}),
        ("told", 1, "slack", {"news": "firing", "words": f"message {flying.id - 2}"}),
        ("escalated", 2, None, {"channels": ["slack", "hook"]}),
        ("gave_up", 2, "hook", {"news": "firing", "reason": "no_text"}),
        ("resolved", 2, None, {"reason": "answered"}),
        ("cancelled", 2, "slack", {"reason": "it was over before it was told"}),
        ("told", 1, "slack", {"news": "resolved", "words": f"message {flying.id + 1}"}),
    ]  # fmt: skip
    assert outbox.trail("1")[1].at == clock.now()


def test_a_higher_level_knows_the_first_message_of_its_alert(outbox: Outbox) -> None:
    outbox.fire("1")
    first = outbox.send()
    assert first.thread is None
    outbox.escalate("1", level=2)
    assert outbox.claimed().thread == {"words": f"message {first.id}"}
