"""Policies that change while incidents are open, and two daemons that judge one store by different ones."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import PAGE, ago, bot, conversation, export, message, page, staff
from rounds import Rounds, levels

from roundsman.clock import ManualClock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.watch_list import AnsweringClock

LATE = export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(40))])


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Rounds:
    return Rounds(store, clock, tmp_path, levels(15, 30))


# --- other policies while incidents are open ---


def restart(desk: Rounds, book: PolicyBook) -> dict[str, int]:
    """A new process with other policies makes its first round."""
    desk.book = book
    return desk.walk()


def the_alert(desk: Rounds) -> tuple[str, int, str | None]:
    (alert,) = desk.alerts()
    return alert.status, alert.level, alert.resolution


def test_a_shorter_target_tells_at_once_of_whoever_is_late_by_it(desk: Rounds) -> None:
    desk.book = levels(60)
    desk.take(LATE)
    assert desk.walk() == {"checked": 1}
    assert restart(desk, levels(30)) == {"checked": 1, "late": 1, "opened": 1}
    assert the_alert(desk) == ("firing", 1, None)


def test_a_shorter_second_level_raises_an_open_alert_once(desk: Rounds) -> None:
    desk.book = levels(15, 60)
    desk.take(LATE)
    desk.walk()
    assert restart(desk, levels(15, 30)) == {"checked": 1, "late": 1, "escalated": 1}
    assert restart(desk, levels(15, 35)) == {"checked": 1, "late": 1}
    assert the_alert(desk) == ("firing", 2, None)
    assert desk.log(1) == [("opened", 1), ("escalated", 2)]


def test_a_longer_target_takes_nothing_back_and_tells_no_level_again(desk: Rounds) -> None:
    desk.take(LATE)
    desk.walk()
    assert restart(desk, levels(60, 120)) == {"checked": 1, "late": 1}
    desk.walk_until(90)
    assert the_alert(desk) == ("firing", 2, None)  # both were told already, after 15 and 30 min
    assert desk.log(1) == [("opened", 2)]
    desk.take(export(messages=[message("a1", desk.clock.now(), staff())]))
    assert desk.walk()["resolved"] == 1
    assert the_alert(desk) == ("resolved", 2, "answered")


def test_a_level_that_is_taken_away_is_not_taken_back(desk: Rounds) -> None:
    desk.take(LATE)
    desk.walk()
    assert restart(desk, levels(15)) == {"checked": 1, "late": 1}
    assert the_alert(desk) == ("firing", 2, None)
    assert restart(desk, levels(15, 20, 30)) == {"checked": 1, "late": 1, "escalated": 1}
    assert the_alert(desk) == ("firing", 3, None)


@pytest.mark.parametrize(
    ("news", "facts", "why"),
    [
        ({}, {"exclude_tags": ("wholesale",)}, "The tag 'Wholesale' excludes it"),
        ({}, {"waiting_on_customer_tags": ("wholesale",)}, "The tag 'Wholesale' says that the page waits"),
        ({"kind": "COMMENT"}, {"comments": False}, "Comments are not watched, and this is a COMMENT"),
    ],
)
def test_who_is_excluded_now_has_his_alert_resolved_with_the_reason(
    desk: Rounds, news: dict[str, str], facts: dict[str, Any], why: str
) -> None:
    desk.book = levels(15, comments=True)
    tagged = conversation(tags=[{"text": "Wholesale"}], **news)
    desk.take(export(pages=[page()], conversations=[tagged], messages=[message("m1", ago(40))]))
    desk.walk()
    assert restart(desk, levels(15, **{"comments": True, **facts})) == {"checked": 1, "resolved": 1}
    status, _, resolution = the_alert(desk)
    assert status == "resolved"
    assert resolution is not None
    assert resolution.startswith(why)
    assert desk.walk() == {}
    desk.clock.advance(timedelta(minutes=1))
    assert restart(desk, levels(15, comments=True)) == {"checked": 1, "late": 1, "opened": 1}  # and back again
    assert [alert.since_at for alert in desk.alerts()] == [ago(40), ago(40)]


def test_a_clock_that_bots_stop_ends_what_a_bot_has_answered(desk: Rounds) -> None:
    desk.take(export(messages=[message("m1", ago(40)), message("m2", ago(39), bot())]))
    desk.walk()
    assert restart(desk, levels(15, clock=AnsweringClock.CUSTOMER)) == {"checked": 1, "resolved": 1}
    assert the_alert(desk) == ("resolved", 2, "answered")


def test_a_warning_of_before_stays_until_the_target_of_now(desk: Rounds) -> None:
    desk.book = levels(50, warn_before=20)
    desk.take(LATE)
    desk.walk()
    assert the_alert(desk) == ("firing", 0, None)
    assert restart(desk, levels(60)) == {"checked": 1}
    assert [each for each in desk.walk_until(25) if "escalated" in each] == [{"checked": 1, "late": 1, "escalated": 1}]
    assert desk.log(1) == [("warned", 0), ("escalated", 1)]


def test_of_a_stale_page_only_ends_are_told(desk: Rounds) -> None:
    with desk.store.write() as connection:
        PageSyncRepository().advance(connection, PAGE, "pancake", fresh_at=desk.clock.now(), checkpoint=None)
    desk.book = levels(15, 50, comments=True, stale_after=timedelta(minutes=5))
    for name, kind in (("1", "INBOX"), ("2", "COMMENT")):
        desk.take(export(conversations=[conversation(name, kind=kind)], messages=[message(name, ago(40), name=name)]))
    assert desk.walk()["opened"] == 2
    desk.clock.advance(timedelta(minutes=8))
    others = levels(15, 30, stale_after=timedelta(minutes=5))
    assert restart(desk, others) == {"checked": 2, "late": 1, "resolved": 1}
    assert {alert.labels["conversation_id"]: (alert.status, alert.level) for alert in desk.alerts()} == {
        "100_1": ("firing", 1),
        "100_2": ("resolved", 1),
    }


# --- two daemons ---


def beat(desk: Rounds, name: str, policies: str | None) -> None:
    """A daemon gives a sign of life."""
    now = desk.clock.now()
    record = DaemonRecord(f"{name}/elsewhere/17/1", name, 17, "0.1.0", now, now, "3 jobs", None, policies)
    with desk.store.write() as connection:
        DaemonRepository().beat(connection, record)


def dissents(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "other policies" in each.getMessage()]


def test_two_daemons_with_different_policies_say_so_once_each(
    desk: Rounds, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    desk.take(LATE)
    one, other = desk.new_monitor(), Rounds(desk.store, desk.clock, tmp_path, levels(60)).new_monitor()
    beat(desk, "one", levels(15, 30).version)
    beat(desk, "other", levels(60).version)
    for monitor in (one, other, one, other, one):
        desk.monitor = monitor
        desk.walk()
    assert [text.split(" judges ")[0].split(" (")[0] for text in dissents(caplog)] == [
        "The daemon on other",
        "The daemon on one",
    ]


@pytest.mark.parametrize("policies", [None, levels(15, 30).version])
def test_of_a_daemon_that_judges_alike_or_not_at_all_nothing_is_said(
    desk: Rounds, caplog: pytest.LogCaptureFixture, policies: str | None
) -> None:
    caplog.set_level(logging.WARNING)
    beat(desk, "other", policies)
    desk.walk()
    assert dissents(caplog) == []


def test_a_daemon_that_is_silent_judges_no_more(desk: Rounds, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    beat(desk, "other", "another version")
    desk.clock.advance(timedelta(minutes=5))
    desk.walk()
    assert dissents(caplog) == []
