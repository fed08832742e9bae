"""Refused presses in the log: a line for each person, then counts."""

import logging
from datetime import timedelta

import pytest

from roundsman.alerts.refusals import MOST_PEOPLE, PAUSE, Refusals
from roundsman.alerts.reply import Refused
from roundsman.clock import ManualClock

STRANGER = "pressed a button and may not answer: no id of the staff, nor in ALERT_ANSWERERS"


@pytest.fixture
def refusals(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> Refusals:
    caplog.set_level(logging.WARNING)
    return Refusals(clock)


def test_whoever_presses_on_and_on_is_told_of_once_a_minute_and_then_counted(
    refusals: Refusals, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(500):
        refusals.note("telegram:55", f"Eve {number} (telegram:55)", Refused.STRANGER)
    refusals.note("telegram:66", "Bob (telegram:66)", Refused.STRANGER)
    refusals.note("telegram:55", "Eve (telegram:55)", Refused.NOT_OURS)
    assert caplog.messages == [
        f"Eve 0 (telegram:55) {STRANGER}", f"Bob (telegram:66) {STRANGER}",
        "Eve (telegram:55) pressed a button that is none of ours; nothing was changed",
    ]  # fmt: skip
    caplog.clear()
    clock.advance(PAUSE)
    refusals.note("telegram:66", "Bob (telegram:66)", Refused.STRANGER)
    assert caplog.messages == [
        "Eve 0 (telegram:55) pressed 499 more times within that minute, in vain", f"Bob (telegram:66) {STRANGER}",
    ]  # fmt: skip


def test_people_who_are_made_up_do_not_fill_the_log_or_the_memory(
    refusals: Refusals, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3 * MOST_PEOPLE):
        refusals.note(f"slack:U{number}", f"x (slack:U{number})", Refused.STRANGER)
    assert len(caplog.messages) == MOST_PEOPLE + 1
    assert caplog.messages[-1] == f"Somebody, as many others, {STRANGER}"
    caplog.clear()
    clock.advance(PAUSE + timedelta(seconds=1))
    refusals.note("slack:U1", "x (slack:U1)", Refused.STRANGER)
    assert len(caplog.messages) == 2
    assert caplog.messages[0].endswith(f"pressed {2 * MOST_PEOPLE - 1} more times within that minute, in vain")
