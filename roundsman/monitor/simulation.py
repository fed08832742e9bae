"""What other policies would have told: the past, as it was known at each moment, walked through once more.

The same pure function that the monitor uses looks at the same facts at the same moments: what was observed of each
conversation and when, when the monitor made its rounds, what it knew when it wrote, which pages were too stale to
judge, at which looks it was not sure that nobody had answered, and who had taken an alert upon himself. So the policies
in force give the real past, and others what they would have made of it. Only where others look at a conversation at a
moment at which nobody did, it is not known whether it would have been sure; they tell of it at once.
"""

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from roundsman.conversations.incident import Facts, look, next_look
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.repositories.alert_log import TakenSpan
from roundsman.repositories.conversations import Page
from roundsman.repositories.held_looks import HeldLook
from roundsman.repositories.observations import Observation
from roundsman.repositories.stale_spans import StaleSpan
from roundsman.repositories.watch_list import WatchRow


class Told(NamedTuple):
    """People are told of a wait, at one level."""

    at: datetime
    """The round in which it happened."""
    conversation_id: str
    page_id: str
    level: int
    """0: a warning."""
    since: datetime
    """The start of the wait."""
    policy: str
    assignees: tuple[str, ...]
    """Ids of those whose conversation it was then."""


class PastRound(NamedTuple):
    """A round that the monitor made, or a part of one: what it wrote in one transaction."""

    began_at: datetime
    """What was due at this moment was judged as of it."""
    known_until: datetime
    """When it wrote. What a sync had stored by then was known to it."""


@dataclass(frozen=True)
class Past:
    """What was known, and when somebody looked. Everything in the order of time."""

    observations: Sequence[Observation]
    """Also those from before `start`: a wait that had begun then, and how far it was told, follow from them."""
    rounds: Sequence[PastRound]
    start: datetime
    end: datetime
    stale: Sequence[StaleSpan] = ()
    taken: Sequence[TakenSpan] = ()
    held: Sequence[HeldLook] = ()

    def count_rounds(self) -> int:
        """How many rounds there were within the time that is asked for; one may have had parts."""
        return len({each.began_at for each in self.rounds if self.start <= each.began_at < self.end})


def simulate(past: Past, book: PolicyBook) -> list[Told]:
    """Everything that would have been told, in the order of time."""
    return _Walk(past, book).told()


class _Walk:
    """One walk through the past."""

    def __init__(self, past: Past, book: PolicyBook) -> None:
        self._past = past
        self._book = book
        self._rows: dict[str, WatchRow] = {}
        self._known: dict[str, Observation] = {}
        self._place = 0
        """In the observations: those before it are known."""
        self._began_at: datetime | None = None
        self._listed: frozenset[str] = frozenset()
        """What the round that began then looks at."""
        self._due: list[tuple[datetime, str]] = []
        """A heap; an entry that no longer tells the row's moment is passed over."""
        self._stale: dict[str, list[StaleSpan]] = {}
        for span in past.stale:
            self._stale.setdefault(span.page_id, []).append(span)
        self._held: dict[str, list[HeldLook]] = {}
        for held in sorted(past.held, key=lambda each: each.looked_at):
            self._held.setdefault(held.conversation_id, []).append(held)
        self._taken: dict[str, list[TakenSpan]] = {}
        for taken in past.taken:
            self._taken.setdefault(taken.subject, []).append(taken)

    def told(self) -> list[Told]:
        found: list[Told] = []
        for each in self._past.rounds:
            self._know(each.began_at)
            due = self._due_of(each)
            self._know(each.known_until)
            found += self._round(due, *each)
        return [each for each in found if self._past.start <= each.at < self._past.end]

    def _know(self, moment: datetime) -> None:
        """Take what was observed until then."""
        observations = self._past.observations
        while self._place < len(observations) and observations[self._place].seen_at <= moment:
            self._take(observations[self._place])
            self._place += 1

    def _take(self, seen: Observation) -> None:
        name = seen.conversation_id
        row = self._rows.get(name) or WatchRow(name, seen.page_id)
        self._known[name] = seen
        facts, policy = self._judged_by(seen)
        self._put(next_look(row._replace(snoozed_until=seen.snoozed_until), facts, policy, seen.seen_at))

    def _due_of(self, each: PastRound) -> list[str]:
        """What a round looks at: the rows that were due when it began, and of these what its parts before have left."""
        names: dict[str, None] = {}
        while self._due and self._due[0][0] <= each.began_at:
            due_at, name = heapq.heappop(self._due)
            row = self._rows.get(name)
            if row is not None and row.due_at == due_at:
                names[name] = None
        if self._began_at != each.began_at:
            self._began_at, self._listed = each.began_at, frozenset(names)
        for name in names.keys() - self._listed:  # came in while it was under way
            self._put(self._rows[name])
        return [name for name in names if name in self._listed]

    def _round(self, due: Sequence[str], now: datetime, known_until: datetime) -> Iterator[Told]:
        for name in due:
            row = self._rows.get(name)
            if row is None:
                continue
            seen = self._known[name]
            facts, policy = self._judged_by(seen)
            held = self._held_look(name, now, known_until)
            may_tell = not self._is_stale(seen.page_id, known_until) and (
                held is None or held.certain_until is not None
            )
            certain_until = held.certain_until if held is not None else None
            step = look(row, facts, policy, now, may_tell=may_tell, certain_until=certain_until)
            # A level of an alert that somebody has taken is passed over, as the monitor does, and comes no more
            rises = row.incident_since is not None and not step.ended
            if step.told and not (rises and self._is_taken(name, known_until)):
                assert step.since is not None
                yield Told(
                    known_until, name, seen.page_id, step.told[-1], step.since, policy.name, tuple(seen.assignees)
                )
            if step.is_over:
                self._rows.pop(name)
            else:
                self._put(step.row)  # due again at once if nothing may be told yet: the next round looks

    def _put(self, row: WatchRow) -> None:
        if row.state.is_idle and row.incident_since is None:
            self._rows.pop(row.conversation_id, None)
            return
        self._rows[row.conversation_id] = row
        if row.due_at is not None:
            heapq.heappush(self._due, (row.due_at, row.conversation_id))

    def _judged_by(self, seen: Observation) -> tuple[Facts, Policy]:
        facts = Facts(Page(seen.page_id, is_synced=seen.is_synced), seen.type, seen.tags, seen.state)
        return facts, self._book.policy_for(seen.page_id, seen.type, seen.tags)

    def _is_stale(self, page_id: str, now: datetime) -> bool:
        """Whether nothing might be told of a page."""
        return any(
            span.stale_from <= now and (span.stale_until is None or now < span.stale_until)
            for span in self._stale.get(page_id, ())
        )

    def _held_look(self, conversation_id: str, began_at: datetime, known_until: datetime) -> HeldLook | None:
        """The look of this round, if it was one that told nobody for want of certainty."""
        looks = self._held.get(conversation_id, [])  # one a minute for weeks, where a conversation cannot be read
        place = bisect_left(looks, began_at, key=lambda each: each.looked_at)
        return looks[place] if place < len(looks) and looks[place].looked_at <= known_until else None

    def _is_taken(self, conversation_id: str, now: datetime) -> bool:
        """Whether somebody saw to its alert."""
        last = next((span for span in reversed(self._taken.get(conversation_id, [])) if span.taken_from < now), None)
        return last is not None and (last.taken_until is None or now < last.taken_until)


def rounds_every(interval: timedelta, start: datetime, end: datetime) -> list[PastRound]:
    """Made-up rounds, for a time of which no ledger tells when somebody looked."""
    moments = (start + number * interval for number in range((end - start) // interval))
    return [PastRound(each, each) for each in moments]
