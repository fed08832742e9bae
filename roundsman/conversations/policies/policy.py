"""One policy: whom it concerns, how long a customer may wait, and who is told after how long. Plain values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import NamedTuple

from roundsman.conversations.exclusions import COMMENT_TYPES, EXCLUDED_TAGS, plain_letters
from roundsman.conversations.policies.staff import Staff, Team
from roundsman.conversations.shifts.calendar import ALWAYS, ShiftCalendar
from roundsman.repositories.conversations import Page
from roundsman.repositories.watch_list import AnsweringClock


class RecipientKind(StrEnum):
    """Who is meant by a word in a level's `to`."""

    ASSIGNEE = "assignee"
    TEAM = "team"
    MANAGER = "manager"
    STAFF = "staff"


class Recipient(NamedTuple):
    """Who is told."""

    kind: RecipientKind
    staff: Staff | None = None
    """The person who is named, for the kind STAFF."""


@dataclass(frozen=True)
class Level:
    """One step of escalation."""

    number: int
    """From 1 on."""
    after: timedelta | None = None
    """Shift time since the wait began; None, at the first level only: the target itself."""
    to: tuple[Recipient, ...] = ()
    channels: tuple[str, ...] = ()
    """None named: all that are set up."""


class Plan(NamedTuple):
    """What will happen to a wait that nobody ends, and when. A moment that never comes is left out."""

    since: datetime
    warn_at: datetime | None
    levels: tuple[tuple[int, datetime], ...]
    """Number and moment, ascending."""
    due_at: datetime | None
    """Up to and including this moment the wait is fine."""

    def moment_of(self, level: int) -> datetime:
        """When a level of the plan is reached; 0 is the warning. Raises KeyError."""
        if level == 0 and self.warn_at is not None:
            return self.warn_at
        return dict(self.levels)[level]


@dataclass(frozen=True)
class Scope:
    """Which conversations a policy is for; what is empty restricts nothing."""

    pages: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    """In upper case."""
    tags: tuple[str, ...] = ()
    """One of them suffices. In plain letters."""

    def covers(self, page_id: str, type: str, tags: Sequence[str]) -> bool:  # noqa: A002  Pancake's word
        if self.pages and page_id not in self._pages:
            return False
        if self.types and type.upper() not in self.types:
            return False
        return not self.tags or any(_plain(tag) in self.tags for tag in tags)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left for a policy after this one."""
        return not (self.pages or self.types or self.tags)

    @cached_property
    def _pages(self) -> frozenset[str]:
        return frozenset(self.pages)


@dataclass(frozen=True)
class Policy:
    """How long is too long, for some conversations."""

    name: str
    first_response: timedelta
    next_response: timedelta
    scope: Scope = Scope()
    clock: AnsweringClock = AnsweringClock.HUMAN
    calendar: ShiftCalendar = ALWAYS
    warn_before: timedelta | None = None
    stale_after: timedelta = timedelta(minutes=10)
    """When a page's data is older than this, nobody knows who waits. Of pages with a live source only."""
    exclude_tags: tuple[str, ...] = tuple(sorted(map(plain_letters, EXCLUDED_TAGS)))
    """In plain letters, as the next."""
    waiting_on_customer_tags: tuple[str, ...] = ()
    comments: bool = False
    team: Team | None = None
    levels: tuple[Level, ...] = (Level(1),)

    def exclusion(
        self,
        page: Page,
        type: str,  # noqa: A002  Pancake's word
        tags: Sequence[str],
        *,
        is_set_up: bool = True,
    ) -> str | None:
        """Why a conversation is none of our business (a sentence for people), or None."""
        if not is_set_up:
            return f"The page {page.name or page.page_id} is not set up any more, so it is no longer watched."
        if not page.is_synced:
            return f"The page {page.name or page.page_id} is not synced."
        if type in COMMENT_TYPES and not self.comments:
            return f"Comments are not watched, and this is a {type}."
        for tag in tags:
            if _plain(tag) in self.exclude_tags:
                return f"The tag {tag!r} excludes it."
        for tag in tags:
            if _plain(tag) in self.waiting_on_customer_tags:
                return f"The tag {tag!r} says that the page waits for the customer."
        return None

    def target(self, *, first: bool) -> timedelta:
        """The shift time that is allowed for the first answer, or for a later one."""
        return self.first_response if first else self.next_response

    def plan(self, since: datetime, *, first: bool) -> Plan:
        """The moments of a wait that began then, through the calendar."""
        target = self.target(first=first)
        moments = ((each.number, self._last_moment(since, each.after or target)) for each in self.levels)
        return Plan(
            since,
            self._last_moment(since, target - self.warn_before) if self.warn_before else None,
            tuple((number, moment) for number, moment in moments if moment is not None),
            self._last_moment(since, target),
        )

    def _last_moment(self, since: datetime, worked: timedelta) -> datetime | None:
        """The last moment at which no more than this shift time has passed; None if more never will.

        What is used up when a shift ends is not exceeded before the next one begins: nobody is told in the break.
        """
        reached = self.calendar.after(since, worked)
        return None if reached is None else self.calendar.opens_at(reached)


@lru_cache(maxsize=4096)
def _plain(tag: str) -> str:
    """Of a million conversations the tags are few, and Unicode is slow."""
    return plain_letters(tag)
