"""Levels, warnings, skipped ones, snoozes: how far an incident is told, on real stores."""

from datetime import timedelta
from pathlib import Path

import pytest
from chats import ago, bot, conversation, export, message, page, staff
from rounds import Rounds, levels

from roundsman.clock import ManualClock
from roundsman.conversations.source import StoreSource
from roundsman.repositories.engine import Store

QUESTION = export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(0))])


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Rounds:
    return Rounds(store, clock, tmp_path, levels(15, 30, 60, warn_before=5))


def test_each_level_is_told_once_in_its_time(desk: Rounds) -> None:
    desk.take(QUESTION)
    counted = desk.walk_until(70)
    told = {minute: each for minute, each in enumerate(counted, start=1) if {"opened", "escalated"} & each.keys()}
    assert sorted(told) == [11, 16, 31, 61]  # the first round after 10, 15, 30 and 60 minutes
    (alert,) = desk.alerts()
    assert desk.log(alert.id) == [("warned", 0), ("escalated", 1), ("escalated", 2), ("escalated", 3)]
    assert (alert.level, alert.severity) == (3, "high")


def test_an_answer_cancels_the_rest(desk: Rounds) -> None:
    desk.take(QUESTION)
    desk.walk_until(20)
    desk.take(export(messages=[message("m2", desk.clock.now(), staff())]))
    assert desk.walk()["resolved"] == 1
    assert not any({"opened", "escalated"} & each.keys() for each in desk.walk_until(60))
    assert desk.alerts()[0].resolution == "answered"
    assert desk.rows() == {}


def test_a_warning_that_was_heard_is_resolved_as_well(desk: Rounds) -> None:
    desk.take(QUESTION)
    desk.walk_until(12)
    desk.take(export(messages=[message("m2", desk.clock.now(), staff())]))
    assert desk.walk()["resolved"] == 1
    assert (desk.alerts()[0].level, desk.alerts()[0].status) == (0, "resolved")


def test_after_a_night_without_a_daemon_only_the_highest_level_is_told(desk: Rounds) -> None:
    desk.take(QUESTION)
    desk.clock.advance(timedelta(hours=8))
    assert desk.walk() == {"checked": 1, "late": 1, "opened": 1}
    assert desk.log(desk.alerts()[0].id) == [("opened", 3)]
    assert not any({"opened", "escalated"} & each.keys() for each in desk.walk_until(120, every=10))


def test_waiting_again_is_a_new_incident_with_its_own_levels(desk: Rounds) -> None:
    desk.take(QUESTION)
    desk.walk_until(32)
    answered = desk.clock.now()
    desk.take(export(messages=[message("m2", answered, staff()), message("m3", answered + timedelta(seconds=30))]))
    counted = desk.walk_until(20)
    assert [each["opened"] for each in counted if "opened" in each] == [1]
    first, second = desk.alerts()
    assert (first.status, first.level, second.status, second.level) == ("resolved", 2, "firing", 1)


def test_a_bots_answer_does_not_stop_the_levels_of_the_human_clock(desk: Rounds) -> None:
    desk.take(QUESTION)
    desk.take(export(messages=[message("m2", ago(-1), bot())]))
    desk.walk_until(16)
    (alert,) = desk.alerts()
    assert alert.annotations["bot_answered_at"] == "2026-03-03T04:01:00Z"
    assert alert.level == 1


def test_what_is_put_off_is_told_when_the_time_is_over(desk: Rounds) -> None:
    desk.take(QUESTION)
    desk.walk_until(12)
    until = desk.clock.now() + timedelta(minutes=40)
    with desk.store.write() as connection:
        watched = StoreSource().reader(connection).watched(["100_1"])["100_1"]
        row = desk.keeper.snooze(connection, watched, until, by="Lan", now=desk.clock.now())
    assert row is not None
    assert row.due_at == until
    assert not any("escalated" in each for each in desk.walk_until(39))
    assert sum(each.get("escalated", 0) for each in desk.walk_until(2)) == 1
    assert desk.log(desk.alerts()[0].id) == [("warned", 0), ("escalated", 2)]


def test_first_and_next_answers_have_targets_of_their_own(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    book = levels(10)
    policy = book.otherwise.__class__("two", timedelta(minutes=10), timedelta(minutes=30))
    desk = Rounds(store, clock, tmp_path, book.__class__(policy))
    desk.take(
        export(
            conversations=[conversation("new"), conversation("old")],
            messages=[
                message("m1", ago(0), name="new"),
                message("m2", ago(60), name="old"),
                message("m3", ago(50), staff(), name="old"),
                message("m4", ago(0), name="old"),
            ],
        )
    )
    desk.walk_until(11)
    assert [alert.annotations["target"] for alert in desk.alerts()] == ["first"]
    desk.walk_until(20)
    assert [alert.annotations["target"] for alert in desk.alerts()] == ["first", "next"]
