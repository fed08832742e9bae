"""Interim: the shape that the reader of the policies file fills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from roundsman.conversations.policy import COMMENT_TYPES, excluding_tag
from roundsman.conversations.shifts.calendar import ALWAYS, ShiftCalendar
from roundsman.repositories.conversations import Page
from roundsman.repositories.watch_list import AnsweringClock


class Plan(NamedTuple):
    since: datetime
    warn_at: datetime | None
    levels: tuple[tuple[int, datetime], ...]

    def moment_of(self, level: int) -> datetime:
        if level == 0:
            assert self.warn_at is not None
            return self.warn_at
        return dict(self.levels)[level]


@dataclass(frozen=True)
class Staff:
    name: str
    calendar: ShiftCalendar | None = None


@dataclass(frozen=True)
class Policy:
    name: str = "default"
    clock: AnsweringClock = AnsweringClock.HUMAN
    first_response: timedelta = timedelta(minutes=15)
    next_response: timedelta = timedelta(minutes=15)
    warn_before: timedelta | None = None
    stale_after: timedelta = timedelta(minutes=10)
    comments: bool = False
    team: str | None = None
    calendar: ShiftCalendar = ALWAYS
    more: tuple[timedelta, ...] = ()

    def target(self, *, first: bool) -> timedelta:
        return self.first_response if first else self.next_response

    def plan(self, since: datetime, *, first: bool) -> Plan:
        target = self.target(first=first)
        levels = [(1, since + target), *((n, since + after) for n, after in enumerate(self.more, 2))]
        return Plan(since, since + target - self.warn_before if self.warn_before else None, tuple(levels))

    def exclusion(self, page: Page, kind: str, tags: Sequence[str]) -> str | None:
        if not page.is_synced:
            return f"The page {page.name or page.page_id} is not synced."
        if kind in COMMENT_TYPES and not self.comments:
            return f"Comments are not watched, and this is a {kind}."
        tag = excluding_tag(tags)
        return None if tag is None else f"The tag {tag!r} excludes it."


@dataclass(frozen=True)
class PolicyBook:
    default: Policy = field(default_factory=Policy)
    version: str = "interim"
    staff_by_pancake: Mapping[str, Staff] = field(default_factory=dict)

    def policy_for(self, page_id: str, kind: str, tags: Sequence[str]) -> Policy:
        return self.default
