"""Drives runs: one thread owns every claim, and one transaction at a time carries all that happened since the last.

Workers execute steps and put their ends into the inbox. The engine's thread takes whatever lies there, decides what
becomes of each run, and commits all of it at once, together with the claims for the room that this makes. So the more
is going on, the more shares one commit, and nothing waits for a batch to fill while little is going on. No code of a
workflow's steps runs in this thread, hence it can also be the one that renews leases and enforces timeouts.

Nothing of a run changes in memory before its commit succeeded: while the store is away, what happened stays here and is
tried again. A step is begun only after the commit of the one before it.
"""

import contextlib
import logging
import queue
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.logs import fields
from roundsman.message import Message
from roundsman.repositories.engine import Store
from roundsman.repositories.run_claims import ClaimedRun, ClaimLostError
from roundsman.repositories.run_decisions import CANCEL, RunDecisions
from roundsman.repositories.run_record import Unit
from roundsman.runs.crew import GRACE, Crew
from roundsman.runs.decision import MAX_CRASHES, Decision
from roundsman.runs.held import CallMade, Held, Prepared, StepEnded
from roundsman.runs.round import Ledgers, Round, Written, write
from roundsman.scheduling.job import StopReason, StopToken

LOOK_AFTER = timedelta(seconds=1)
"""How often progress and log lines are stored, and requests heard, while steps work."""

RETRY_STORE_AFTER_S = 1.0
NOT_OURS_S = 0.05
"""Between looks for something that is due and yet not to be had: another daemon is about it."""
_LOOK_AT_STOP_S = 0.1
IDLE_S = 60.0
"""The longest sleep when nothing is to be expected; only a lost wake-up could make it matter."""

log = logging.getLogger(__name__)


class _Look:
    """The queue may have something, or the room has changed."""


class _Quit:
    """End the thread."""


@dataclass(frozen=True)
class _Probe:
    """Somebody wants to know whether the thread gets through."""

    answered: threading.Event


_Item = StepEnded | CallMade | _Look | _Quit | _Probe


class Engine:
    """Service. `run_once` is one pass, for its thread and for tests."""

    name = "runs"

    def __init__(
        self, store: Store, clock: Clock, to: Ledgers, prepared: Mapping[str, Prepared], *, size: int, lease: timedelta
    ) -> None:
        self._store = store
        self._clock = clock
        self._to = to
        self._lease_s = lease.total_seconds()
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._crew = Crew(prepared, size, clock, self._inbox.put)
        self._round = Round()
        self._look = True
        self._found_nothing = False
        self._rung = False
        self._halting = False
        self._fault: str | None = None
        self._thread: threading.Thread | None = None
        self._renew_at = 0.0
        self._attend_at = 0.0
        self._due_at: datetime | None = None
        self._due_known = False
        self._idle = threading.Event()
        self._idle.set()
        self._drained = threading.Event()
        self.counts: Counter[str] = Counter()
        """What it has done so far: claimed, steps, completed, failed, retried, ..."""

    # --- for any thread ---

    def wake(self) -> None:
        """The queue may have something."""
        if not self._rung:
            self._rung = True
            self._inbox.put(_Look())

    def probe(self, seconds: float) -> bool:
        """True when the thread gets through its inbox within so long, and the store takes what it writes."""
        answered = threading.Event()
        self._inbox.put(_Probe(answered))
        return answered.wait(seconds)

    def ill(self) -> str | None:
        """Why it makes no progress. A queue that is away is no illness: what is held goes on."""
        if self._thread is None or not self._thread.is_alive():
            return "the thread that drives runs does not live"
        if self._fault is not None:
            return f"runs cannot be written: {self._fault}"
        return self._to.queue.ill()

    @property
    def is_serving(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def serve_until_drained(self, stop: StopToken) -> None:
        """Drive runs until nothing is due any more, or `stop`: for commands, where no daemon does. Raises StoreError."""
        self.start()
        try:
            while not self._drained.wait(_LOOK_AT_STOP_S) and not stop.is_set():
                if self._fault is not None:
                    raise StoreError(self._fault)
        finally:
            self.halt()
            if not self.wait_idle(GRACE.total_seconds()):
                self.cancel()
                self.wait_idle(GRACE.total_seconds())
            self.stop()

    def start(self) -> None:
        """Begin to claim and drive."""
        self._halting, self._look = False, True
        self._drained.clear()
        self._to.queue.start(self.wake)
        self._thread = threading.Thread(target=self._loop, name="runs", daemon=True)
        self._thread.start()

    def halt(self) -> None:
        """Claim no more and begin no further step; what no worker has begun goes back to the queue."""
        self._halting = True
        self.wake()

    def wait_idle(self, seconds: float) -> bool:
        """True as soon as nothing is held any more."""
        return self._idle.wait(seconds)

    def cancel(self) -> None:
        """Ask every step at work to stop; those that do cost no attempt."""
        self._crew.stop(list(self._crew.held.values()), StopReason.SHUTDOWN)

    def running(self) -> dict[str, int]:
        """How many runs of each workflow are held."""
        return dict(Counter(held.run.workflow for held in list(self._crew.held.values())))

    def stop(self) -> None:
        """Give up what is still held, so that another process can take it at once, and end the thread."""
        self._halting = True
        self._inbox.put(_Quit())
        if self._thread is not None:
            self._thread.join(3 * RETRY_STORE_AFTER_S)
            if self._thread.is_alive():
                log.error("The store did not take the last steps of runs: %s", self._fault)
        self._crew.workers.stop()
        self._to.queue.stop()

    # --- the thread ---

    def _loop(self) -> None:
        quitting = False
        while not (quitting and not self._round and not self._crew.held):
            try:
                items = self._take(0) or self._take(self._sleep_s(quitting=quitting))
                quitting = self.run_once(items) or quitting
            except StoreError as error:
                if self._fault is None:
                    log.error("Runs cannot be written: %s What their steps did waits until it can.", error)
                self._fault = str(error)
                if quitting:
                    return

    def _take(self, seconds: float) -> list[_Item]:
        items: list[_Item] = []
        with contextlib.suppress(queue.Empty):
            items.append(self._inbox.get(timeout=seconds) if seconds > 0 else self._inbox.get_nowait())
            self._rung = False  # before the inbox is emptied: what comes later rings again
            while True:
                items.append(self._inbox.get_nowait())
        return items

    def run_once(self, items: list[_Item] | None = None) -> bool:
        """One pass; True when it was told to quit. Raises StoreError, after which the next pass tries again."""
        items = self._take(0) if items is None else items
        quitting = True in [self._receive(item) for item in items]  # each of them, hence the list
        self._keep_time()
        if self._halting:
            self._round.put_back.extend(self._crew.not_begun())
        if quitting:
            self._give_up()
        if self._round or self._wants_to_claim():
            self._commit()
        for item in items:
            if isinstance(item, _Probe):
                item.answered.set()
        return quitting

    def _receive(self, item: _Item) -> bool:
        """True for the order to quit."""
        if isinstance(item, StepEnded):
            self._crew.workers.ended()
            self._crew.account((item.finished_at - item.started_at).total_seconds())
            if self._crew.holds(item.held) and not item.held.given_up:
                self._round.ended.append(item)
        elif isinstance(item, CallMade):
            if self._crew.holds(item.held) and not item.held.given_up:
                self._round.calls.append(item)
            else:
                item.lost = True
                item.stored.set()
        elif isinstance(item, _Look):
            self._look, self._due_known = True, False
        return isinstance(item, _Quit)

    def _wants_to_claim(self) -> bool:
        return self._look and not self._halting and self._crew.room() > 0

    def _commit(self) -> None:
        room = self._crew.room() if self._look and not self._halting else 0
        self._to.queue.want(self._crew.wanted(room), room)
        while True:
            now = self._clock.now()
            try:
                with self._store.write() as connection:
                    written = write(connection, self._round, self._to, now, halting=self._halting)
                break
            except ClaimLostError:
                self._to.queue.rolled_back()  # somebody took a run from us at this very moment: look again
            except BaseException:
                self._to.queue.rolled_back()
                raise
        self._to.queue.committed()
        if self._fault is not None:
            log.warning("Runs can be written again")
            self._fault = None
        self._round = Round()
        if room:
            self._look = written.received >= room
            self._found_nothing = written.received == 0
            if self._found_nothing and not self._crew.held and self._to.queue.is_empty():
                self._drained.set()
        self._due_known = False
        self._follow(written, now)

    def _follow(self, written: Written, now: datetime) -> None:
        """In memory, what the commit has made true."""
        for held, count in written.lines:
            for _ in range(count):
                held.lines.popleft()
        for call in written.calls:
            call.stored.set()
        for held in written.lost:
            self._lose(held)
        for call in written.refused_calls:
            call.lost = True
            call.stored.set()
        for held, decision in written.decisions:
            self._go_on(held, decision)
        for run, message, calls in written.claimed:
            self._begin(run, message, calls)
        if self._crew.held:
            self._idle.clear()
        else:
            self._idle.set()

    def _go_on(self, held: Held, decision: Decision) -> None:
        if decision.trouble is not None:
            self._tell(held, decision)
        advance = decision.advance
        if advance is None:
            assert decision.leave is not None
            self.counts[decision.leave.status.value] += 1
            self._crew.let_go(held)
            return
        self.counts["steps"] += 1
        held.state, held.data, held.sequence = advance.state, advance.data, advance.sequence
        held.progress, held.shown_progress = advance.progress, None
        held.attempt = held.crashes = 0
        held.recorded = []
        if held.stop.is_set():
            held.stop = StopToken()
        self._dispatch(held)

    def _begin(self, run: ClaimedRun, message: Message, calls: list[Unit]) -> None:
        self.counts["claimed"] += 1
        prepared = self._crew.prepared.get(run.workflow)
        held = Held(
            run, message, prepared or self._crew.prepared[message.kind], run.state, run.data, run.sequence,
            run.attempt, run.crashes, run.progress, StopToken(), calls,
        )  # fmt: skip
        self._crew.add(held)
        if prepared is None:
            self._round.refusals.append((held, f"the workflow {run.workflow!r} is not known to this daemon"))
        elif run.on_time is not None:
            self._round.timers.append(held)
        else:
            self._dispatch(held)

    def _dispatch(self, held: Held) -> None:
        if held.state not in held.prepared.steps:
            reason = f"it stands in the state {held.state!r}, which the workflow {held.run.workflow!r} no longer has"
            self._round.refusals.append((held, reason))
        elif held.crashes >= MAX_CRASHES:
            step = held.prepared.steps[held.state].__name__
            self._round.refusals.append((held, f"{step}: {held.crashes} processes died while it was under way"))
        else:
            self._crew.begin(held)

    def _lose(self, held: Held) -> None:
        log.info("Run %d is no longer ours; what its step did is dropped", held.id, extra=_about(held))
        held.stop.set(StopReason.CANCELLED)
        self._crew.let_go(held)

    def _tell(self, held: Held, decision: Decision) -> None:
        final = decision.leave is not None and decision.leave.finished_at is not None
        words = "failed" if final else "goes on after a failure"
        level = logging.ERROR if final else logging.WARNING
        log.log(level, "Run %d of %s %s: %s", held.id, held.run.workflow, words, decision.trouble, extra=_about(held))

    # --- time ---

    def _keep_time(self) -> None:
        """Timeouts, leases, and what people ask of runs that are held."""
        for held in self._crew.overdue():
            limit = held.prepared.facts.timeout.total_seconds()
            log.error("A step of run %d does not stop after its %g s: given up", held.id, limit, extra=_about(held))
            step = held.prepared.steps[held.state].__name__
            now = self._clock.now()
            held.given_up = True
            held.begun = None
            self._round.ended.append(StepEnded(held, step, now, now, None, TimeoutError()))
            self._crew.workers.replace()
        now_s = self._clock.monotonic()
        if self._crew.held and now_s >= self._attend_at:
            self._attend_at = now_s + LOOK_AFTER.total_seconds()
            self._attend(renew=now_s >= self._renew_at)

    def _attend(self, *, renew: bool) -> None:
        """Store what steps say while they work, renew the leases, hear what is asked."""
        held = list(self._crew.held.values())
        lines = [(each, list(each.lines)) for each in held if each.lines]
        shown = [(each, each.shown_progress) for each in held if each.shown_progress not in (None, each.progress)]
        claims, now = self._to.claims, self._clock.now()
        if lines or shown or renew:
            with self._store.write() as connection:
                self._to.record.add_lines(connection, [line for _, said in lines for line in said])
                claims.show_progress(connection, [(each.id, each.token, shown or 0) for each, shown in shown])
                if renew:
                    claims.renew(connection, {each.id: each.token for each in held}, now)
                    self._to.queue.extend(connection, [each.message for each in held], now)
            for each, said in lines:
                for _ in said:
                    each.lines.popleft()
            for each, percent in shown:
                each.progress = percent or 0
            if renew:
                self._renew_at = self._clock.monotonic() + self._lease_s / 3
        with self._store.read() as connection:
            asked = claims.asked(connection)
        for run_id, what in asked.items():
            if what == CANCEL and run_id in self._crew.held:
                self._crew.held[run_id].stop.set(StopReason.CANCELLED)
        # A pause is heard by the commit of the step
        cancelled = [run_id for run_id, what in asked.items() if what == CANCEL]
        if cancelled:
            with self._store.write() as connection:
                RunDecisions().heard(connection, cancelled)

    def _give_up(self) -> None:
        self._round.put_back.extend(held for held in self._crew.held.values() if held not in self._round.touched())

    def _sleep_s(self, *, quitting: bool) -> float:
        if self._fault is not None:
            return RETRY_STORE_AFTER_S
        if self._round or quitting or self._wants_to_claim():
            return 0.0
        waits = [IDLE_S]
        if self._crew.held:
            waits.append(max(self._attend_at - self._clock.monotonic(), 0.0))
        if not self._halting and not self._look:  # with a look that is due, room is all that it waits for
            waits.append(self._until_due())
        return min(waits)

    def _until_due(self) -> float:
        """Seconds until the queue has something although nobody wakes us."""
        if not self._due_known:
            with self._store.read() as connection:
                self._due_at = self._to.queue.next_due(connection, self._crew.prepared.keys())
            self._due_known = True
        if self._due_at is None:
            return IDLE_S
        left = (self._due_at - self._clock.now()).total_seconds()
        if left > 0:
            return left
        self._look = True
        return NOT_OURS_S if self._found_nothing else 0.0


def _about(held: Held) -> dict[str, str]:
    return fields(RUN_ID=held.id, WORKFLOW=held.run.workflow, CORRELATION_ID=held.run.correlation_id)
