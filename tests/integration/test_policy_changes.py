"""Policies that change while incidents are open, and two daemons that judge one store by different ones."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from chats import ago, conversation, export, message, page
from rounds import Rounds, levels

from roundsman.clock import ManualClock
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.engine import Store

LATE = export(pages=[page()], conversations=[conversation()], messages=[message("m1", ago(40))])


@pytest.fixture
def desk(store: Store, clock: ManualClock, tmp_path: Path) -> Rounds:
    return Rounds(store, clock, tmp_path, levels(15, 30))


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
