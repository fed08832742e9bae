"""When a chain of levels counts as ended: after the last one, by the shift time between the last two."""

from datetime import timedelta

import pytest
from shift_samples import calendar, local, week

from roundsman.conversations.policies.policy import Level, Policy
from roundsman.conversations.shifts.calendar import ALWAYS, ShiftCalendar
from roundsman.monitor.case import unanswered_after

MINUTE = timedelta(minutes=1)
NOW = local("2026-03-03 11:50")
SHOP = calendar(week(mon_sun=["08:00-12:00", "13:00-18:00"]))


def policy(*after: int | None, hours: ShiftCalendar = ALWAYS) -> Policy:
    spans = (None if minutes is None else minutes * MINUTE for minutes in after)
    levels = tuple(Level(number, span) for number, span in enumerate(spans, start=1))
    return Policy("p", 10 * MINUTE, 15 * MINUTE, calendar=hours, levels=levels)


@pytest.mark.parametrize(
    ("chosen", "level", "minutes"),
    [
        (policy(None, 30, 60), 3, 30),
        (policy(None, 30, 60), 2, None),
        (policy(None, 45), 2, 30),  # 45 - 15: the first level comes when the time is over
        (policy(None), 1, None),
        (policy(None, 30, 60, hours=SHOP), 3, 90),  # ten minutes, lunch, twenty minutes
    ],
)  # fmt: skip
def test_after_the_last_level_as_long_as_between_the_last_two(chosen: Policy, level: int, minutes: int | None) -> None:
    assert unanswered_after(chosen, level, NOW) == (minutes and minutes * MINUTE)
