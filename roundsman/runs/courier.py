"""Carries events to one sink: claim, deliver, record, set after set. Knows nothing of threads and of waiting.

What became of a set is recorded in the transaction that claims the next one, and no transaction is open while a
receiver is being talked to. A process that dies in between leaves claims behind; whoever frees them delivers those
events again. That is the repeat which "at least once" allows, of one set at most.

A sink that fails rests, as what one event met, the next would most likely meet as well, and is then tried with one
event until it takes one. An event that fails waits on its own account, so one bad event delays the later ones of its
run and nothing else.
"""

import logging
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.logs import fields
from roundsman.repositories.engine import Store
from roundsman.repositories.run_outbox import AT_ONCE, OutgoingEvent, RunOutbox
from roundsman.retry import backoff
from roundsman.runs.delivery import Delivery, deliver
from roundsman.runs.sinks.base import EventSink, fields_of

SET = 50
"""Events that are claimed together, unless one call takes more. A kill repeats no more."""
LONGEST_SET_S = 5.0
"""After this no further event of a set is begun: what was delivered is to be recorded soon."""
LONGEST_REST = timedelta(minutes=1)
"""Of a sink that fails without naming a time: a receiver that is back is noticed within this."""
LONGEST_RETRY_AFTER = timedelta(hours=1)
"""A receiver that asks for more is asked again after this."""
GIVEN_UP_AFTER = timedelta(days=3)
"""An event that is as old and still fails is set aside ..."""
ENOUGH_FAILURES = 10
"""... after so many attempts of its own or failures of its sink in a row: a daemon that was off for a week tries."""

log = logging.getLogger(__name__)


class Turn(Enum):
    """What came of one look."""

    NOTHING = auto()
    """Nothing can be claimed now."""
    RESTING = auto()
    """The sink is left alone for a while."""
    CARRIED = auto()
    """A set was handed over, or part of it; the next turn records that."""


class Courier:
    """For one sink, called from one thread at a time."""

    def __init__(self, store: Store, clock: Clock, outbox: RunOutbox, sink: EventSink) -> None:
        self.sink = sink
        self.open_at = 0.0
        """Monotonic; nothing is delivered before."""
        self.stopping = False
        """Begin no further event."""
        self._store = store
        self._clock = clock
        self._outbox = outbox
        self._failures = 0
        self._claimed: list[int] = []
        self._unrecorded: Delivery | None = None

    def held(self) -> list[int]:
        """The events under its claim. For any thread."""
        return self._claimed

    def turn(self) -> Turn:
        """Record what became of the last set, and carry the next one. Raises StoreError; then nothing is forgotten."""
        resting = self._clock.monotonic() < self.open_at
        if self._unrecorded is None:
            if resting:
                return Turn.RESTING
            due = self.next_due()
            if due is None or due > self._clock.now():
                return Turn.NOTHING
        events = self._exchange(0 if resting else self._room())
        if not events:
            return Turn.RESTING if resting else Turn.NOTHING
        self._unrecorded = self._carry(events)
        return Turn.CARRIED

    def settle(self) -> None:
        """Record what became of the last set, and claim nothing more. Raises StoreError."""
        if self._unrecorded is not None:
            self._exchange(0)

    def next_due(self) -> datetime | None:
        """When there may be something to do, if nothing new comes. Raises StoreError."""
        with self._store.read() as connection:
            return self._outbox.next_due(connection, self.sink.name)

    def _room(self) -> int:
        if self._failures:
            return self.sink.most
        return max(SET, self.sink.most)

    def _exchange(self, room: int) -> list[OutgoingEvent]:
        """The one transaction of a turn: what became of the last set, for the next one."""
        done, now = self._unrecorded, self._clock.now()
        with self._store.write() as connection:
            lost = self._record(connection, done, now) if done is not None else 0
            events = self._outbox.claim(connection, self.sink.name, room, now) if room else []
        self._unrecorded = None
        self._claimed = [event.id for event in events]
        if done is not None:
            self._tell(done, lost, now)
        return events

    # --- outside ---

    def _carry(self, events: list[OutgoingEvent]) -> Delivery:
        ends_at = self._clock.monotonic() + LONGEST_SET_S
        done = deliver(self.sink, events, lambda: self.stopping or self._clock.monotonic() >= ends_at)
        if done.failed:
            self._rest(done)
        elif self._failures and (done.delivered or done.refused):
            log.info("The sink %s takes run events again", self.sink.name, extra=fields(SINK=self.sink.name))
            self._failures = 0
        return done

    def _rest(self, done: Delivery) -> None:
        self._failures += 1
        longest = max((error.retry_after for _, error in done.failed if error.retry_after is not None), default=None)
        asked = None if longest is None else min(longest, LONGEST_RETRY_AFTER)
        rest = asked if asked is not None else backoff(self._failures, first=timedelta(seconds=1), most=LONGEST_REST)
        self.open_at = self._clock.monotonic() + rest.total_seconds()
        wait = backoff(max(event.attempts for event, _ in done.failed))
        done.again_at = self._clock.now() + max(wait, asked or timedelta(0))

    # --- in the store ---

    def _record(self, connection: Connection, done: Delivery, now: datetime) -> int:
        """Returns how many claims were lost meanwhile."""
        outbox = self._outbox
        kept = outbox.delivered(connection, done.delivered) | outbox.put_back(connection, done.untouched)
        for event, reason in done.refused:
            kept |= outbox.set_aside(connection, [event], reason, now)
        if done.failed and done.again_at is not None:
            for reason, events in done.failed_by_reason().items():
                old = [event for event in events if self._is_hopeless(event, now)]
                again = [event for event in events if not self._is_hopeless(event, now)]
                kept |= outbox.set_aside(connection, old, reason, now)
                kept |= outbox.retry(connection, self.sink.name, again, done.again_at, reason)
            if self._failures >= ENOUGH_FAILURES:
                before, reason = now - GIVEN_UP_AFTER, done.failed[0][1].reason
                done.expired = outbox.expire(connection, self.sink.name, before, reason, now)
        return len(set(done.ids()) - kept)

    def _is_hopeless(self, event: OutgoingEvent, now: datetime) -> bool:
        tried = max(event.attempts, self._failures)
        return now - event.created_at >= GIVEN_UP_AFTER and tried >= ENOUGH_FAILURES

    def _tell(self, done: Delivery, lost: int, now: datetime) -> None:
        name = self.sink.name
        hopeless = [(event, error) for event, error in done.failed if self._is_hopeless(event, now)]
        failed = [(event, error) for event, error in done.failed if not self._is_hopeless(event, now)]
        if lost:
            log.warning("Another process took over %d events for %s before their end was recorded", lost, name)
        old = [(event, f"{error.reason}, for {_days(GIVEN_UP_AFTER)}") for event, error in hopeless]
        for event, reason in (*done.refused, *old):
            log.error(
                "The sink %s does not take %s of run %d (event %s): %s; given up",
                name, event.event, event.run_id, event.key, reason, extra=fields_of(event) | fields(SINK=name),
            )  # fmt: skip
        if done.expired:
            log.error(
                "The sink %s takes nothing (%s): %d%s events that have waited for %s are given up",
                name, done.failed[0][1], done.expired, " and more" if done.expired == AT_ONCE else "",
                _days(GIVEN_UP_AFTER), extra=fields(SINK=name),
            )  # fmt: skip
        for event, error in failed[:1] if self.sink.most > 1 else failed:  # a set stands and falls together
            wait_s = 0.0 if done.again_at is None else max((done.again_at - now).total_seconds(), 0)
            log.warning(
                "The sink %s did not take %s of run %d (attempt %d): %s; next try in %.0f s",
                name, event.event, event.run_id, event.attempts, error, wait_s,
                extra=fields_of(event) | fields(SINK=name),
            )  # fmt: skip


def _days(span: timedelta) -> str:
    return f"{span.days} days"
