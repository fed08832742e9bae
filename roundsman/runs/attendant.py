"""What is due while steps work: timeouts, leases, what runs say, how far they are, what people ask of them."""

import logging
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.repositories.engine import Store
from roundsman.repositories.run_decisions import CANCEL, RunDecisions
from roundsman.runs.aftermath import about
from roundsman.runs.commit import Ledgers
from roundsman.runs.crew import Crew
from roundsman.runs.held import Held, StepEnded
from roundsman.scheduling.job import StopReason

ATTEND_EVERY = timedelta(seconds=1)
"""How often progress and log lines are stored, and requests heard, while steps work."""


log = logging.getLogger(__name__)


class Attendant:
    """Looks after the held runs, in the engine's thread."""

    def __init__(self, store: Store, clock: Clock, to: Ledgers, crew: Crew, lease: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._to = to
        self._crew = crew
        self._renew_every_s = lease.total_seconds() / 3
        self._next = 0.0
        self._renew_at = 0.0

    def seconds_left(self) -> float | None:
        """Until it has something to do; None while nothing is held."""
        return max(self._next - self._clock.monotonic(), 0.0) if self._crew.is_watchful() else None

    def given_up(self) -> list[StepEnded]:
        """The ends of steps that did not stop when their time was over; their workers are replaced."""
        ended = []
        for held in self._crew.overdue():
            if not self._crew.workers.give_up(held):
                continue  # it has just ended after all
            limit = held.prepared.facts.timeout.total_seconds()
            log.error("A step of run %d (%g s at most) does not stop: given up", held.id, limit, extra=about(held))
            if not self._crew.holds(held):
                continue
            step = held.prepared.steps[held.state].__name__
            now = self._clock.now()
            held.given_up = True
            ended.append(StepEnded(held, step, now, now, None, TimeoutError()))
        return ended

    def attend(self) -> None:
        """Do what is due. Raises StoreError; then it is due again at once."""
        now_s = self._clock.monotonic()
        if not self._crew.is_watchful() or now_s < self._next:
            return
        held = list(self._crew.held.values())
        self._store_words(held)
        if now_s >= self._renew_at:
            self._renew(held)
            self._renew_at = now_s + self._renew_every_s
        self._hear()
        self._next = now_s + ATTEND_EVERY.total_seconds()

    def _store_words(self, held: list[Held]) -> None:
        lines = [(each, list(each.lines)) for each in held if each.lines]
        shown = [
            (each, percent)
            for each in held
            if (percent := each.shown_progress) is not None and percent != each.progress
        ]
        if not lines and not shown:
            return
        with self._store.write() as connection:
            ours = self._to.claims.holding(connection, {each.id: each.token for each, _ in (*lines, *shown)})
            kept = [line for each, said in lines if each.id in ours for line in said]  # the others' runs may be gone
            self._to.record.add_lines(connection, kept)
            self._to.claims.show_progress(connection, [(each.id, each.token, percent) for each, percent in shown])
        for each, said in lines:
            for _ in said:
                each.lines.popleft()
        for each, percent in shown:
            each.progress = percent

    def _renew(self, held: list[Held]) -> None:
        now = self._clock.now()
        with self._store.write() as connection:
            ours = self._to.claims.renew(connection, {each.id: each.token for each in held}, now)
            self._to.queue.extend(connection, [each.message for each in held if each.id in ours], now)
        for each in held:
            if each.id not in ours:  # its end will be dropped: it had better come soon
                self._crew.tell(each, StopReason.CANCELLED)

    def _hear(self) -> None:
        """A pause is heard by the commit of the step; a cancelled run's step is asked to stop."""
        with self._store.read() as connection:
            asked = self._to.claims.asked(connection)
        cancelled = [run_id for run_id, what in asked.items() if what == CANCEL]
        if not cancelled:
            return
        for run_id in cancelled:
            if run_id in self._crew.held:
                self._crew.tell(self._crew.held[run_id], StopReason.CANCELLED)
        with self._store.write() as connection:
            RunDecisions().heard(connection, cancelled)
