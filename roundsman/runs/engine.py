"""Drives runs: one thread owns every claim, and one transaction at a time carries all that happened since the last.

Workers execute steps and put their ends into the inbox. The engine's thread takes whatever lies there, decides what
becomes of each run, and commits all of it at once, together with the claims for the room that this makes. So the more
is going on, the more shares one commit, and nothing waits for a batch to fill while little is going on. No code of a
workflow's steps runs in this thread, hence it can also be the one that renews leases and enforces timeouts.

Nothing of a run changes in memory before its commit succeeded: while the store is away, what happened stays here and is
tried again. A step is begun only after the commit of the one before it.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.repositories.engine import Store
from roundsman.runs.aftermath import Aftermath
from roundsman.runs.attendant import Attendant
from roundsman.runs.black_box import BlackBox
from roundsman.runs.commit import Ledgers, write_out
from roundsman.runs.crew import Crew
from roundsman.runs.garbage import look_for_cycles_less_often
from roundsman.runs.held import CallMade, Held, Prepared, StepEnded
from roundsman.runs.inbox import Inbox, Item, Look, Probe
from roundsman.runs.outlook import IDLE_S, Outlook
from roundsman.runs.round import Rooms, Round, Written
from roundsman.runs.submission import Submission
from roundsman.scheduling.job import StopReason

RETRY_STORE_AFTER_S = 1.0

log = logging.getLogger(__name__)


class Engine:
    """Service. `run_once` is one pass, for its thread and for tests."""

    name = "runs"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        to: Ledgers,
        prepared: Mapping[str, Prepared],
        *,
        size: int,
        lease: timedelta,
        box: BlackBox | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        self._box = box or BlackBox()
        self._store = store
        self._clock = clock
        self._to = to
        self._inbox = inbox or Inbox()
        self._crew = Crew(prepared, size, clock, self._inbox.put, self._box)
        self._outlook = Outlook(store, clock, to.queue, self._crew)
        self._attendant = Attendant(store, clock, to, self._crew, lease)
        self._aftermath = Aftermath(self._crew)
        self._round = Round()
        self._halting = False
        self._quitting = False
        """Give up what is held and end the thread."""
        self._abandoned = False
        """End it whatever is left."""
        self._fault: str | None = None
        """Why the store does not take what is to be written."""
        self._broken: str | None = None
        """The fault of our own that has ended the thread."""
        self._thread: threading.Thread | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._drained = threading.Event()

    @property
    def counts(self) -> Mapping[str, int]:
        """What it has done so far: claimed, steps, completed, failed, queued (put back), ..."""
        return self._aftermath.counts

    # --- for any thread ---

    def wake(self) -> None:
        """The queue may have something."""
        self._inbox.wake()

    def probe(self, seconds: float) -> bool:
        """True when the thread gets through its inbox within so long, and the store takes what it writes."""
        return self._inbox.probe(seconds)

    def ill(self) -> str | None:
        """Why it makes no progress. A queue that is away is no illness: what is held goes on."""
        if self._broken is not None:
            return f"the thread that drives runs has died of {self._broken}"
        if not self.is_serving:
            return "the thread that drives runs does not live"
        if self._fault is not None:
            return f"runs cannot be written: {self._fault}"
        return self._to.queue.ill()

    @property
    def fault(self) -> str | None:
        """Why the store does not take what is to be written."""
        return self._fault

    @property
    def is_serving(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def wait_drained(self, seconds: float) -> bool:
        """True as soon as nothing was due any more since the start."""
        return self._drained.wait(seconds)

    def start(self) -> None:
        """Begin to claim and drive."""
        self._halting = self._quitting = self._abandoned = False
        self._fault = self._broken = None
        self._outlook.rung()
        self._drained.clear()
        self._box.open()
        look_for_cycles_less_often()
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
        self._halting = self._quitting = True
        self.wake()
        if self._thread is not None:
            self._thread.join(3 * RETRY_STORE_AFTER_S)
            if self._thread.is_alive():
                log.error("The store did not take the last steps of runs: %s", self._fault)
                self._abandoned = True
                self.wake()
        self._crew.workers.stop()
        self._box.close()
        self._to.queue.stop()

    # --- the thread ---

    def _loop(self) -> None:
        if self._to.queue.entrance is not None:
            self._inbox.open()
        try:
            while not self._abandoned and not (self._quitting and not self._round and not self._crew.held):
                self._turn()
        except Exception as error:
            # What is held is in an unknown state: whoever asks `ill` ends the process, and another one takes over
            self._broken = type(error).__name__
            log.critical("The thread that drives runs has died", exc_info=True)
        finally:
            self._round.decline_submissions()
            self._inbox.close()

    def _turn(self) -> None:
        try:
            self._pass(self._inbox.take(0) or self._inbox.take(self._sleep_s()))
        except StoreError as error:
            if self._fault is None:
                log.error("Runs cannot be written: %s What their steps did waits until it can.", error)
            self._fault = str(error)
            self._round.fail_submissions(error)  # they never wait for the store

    def run_once(self, seconds: float = 0.0) -> None:
        """One pass, which waits so long for something to happen if there is nothing to do.

        Raises StoreError, after which the next pass tries again.
        """
        self._pass(self._inbox.take(0 if self._round or self._wants_to_claim() else seconds))

    def _pass(self, items: list[Item]) -> None:
        for item in items:
            self._receive(item)
        self._round.ended.extend(self._attendant.given_up())
        self._attendant.attend()
        if items:
            self._outlook.passed()
        if self._halting:
            self._round.put_back.extend(self._crew.not_begun())
        if self._quitting:
            self._give_up()
        # After a fault, an empty one tells whether the store is back
        if self._round or self._wants_to_claim() or self._fault is not None:
            self._commit()
        for item in items:
            if isinstance(item, Probe):
                item.answered.set()

    def _receive(self, item: Item) -> None:
        if isinstance(item, StepEnded):
            self._crew.workers.ended(item.held)
            self._crew.account((item.finished_at - item.started_at).total_seconds())
            if self._crew.holds(item.held) and not item.held.given_up:
                self._round.ended.append(item)
        elif isinstance(item, CallMade):
            if self._crew.holds(item.held) and not item.held.given_up:
                self._round.calls.append(item)
            else:
                item.lost = True
                item.stored.set()
        elif isinstance(item, Submission):
            if self._halting or self._fault is not None:
                item.decline()
            else:
                self._round.submissions.append(item)
        elif isinstance(item, Look):
            self._inbox.looked()
            self._outlook.rung()

    def _wants_to_claim(self) -> bool:
        return self._outlook.look and not self._halting and self._crew.room() > 0

    def _commit(self) -> None:
        rooms = self._rooms()
        self._to.queue.want(self._crew.wanted(rooms.queued), rooms.queued)
        written = write_out(self._round, self._store, self._clock, self._to, rooms, halting=self._halting)
        try:
            self._follow(written, rooms)
        finally:
            written.admitted.answer()  # after the first steps have begun: those are waited for, too

    def _rooms(self) -> Rooms:
        """What is submitted here begins at once if nothing waits in the queue; else it waits there, too."""
        room = 0 if self._halting else self._crew.room()
        if self._outlook.look:
            return Rooms(queued=room)
        if sum(len(each.orders) for each in self._round.submissions) > room:
            self._outlook.rung()  # after this commit something waits
        return Rooms(submitted=room)

    def _follow(self, written: Written, rooms: Rooms) -> None:
        self._to.queue.committed()
        if written.admitted.queued:
            self._to.queue.hand_over(written.admitted.queued)
        if self._to.sinks and any(decision.event is not None for _, decision in written.decisions):
            self._to.told()
        if self._fault is not None:
            log.warning("Runs can be written again")
            self._fault = None
        self._outlook.changed()
        if rooms.queued:
            self._outlook.looked(rooms.queued, written.received)
        if written.look_again or any(_is_limited(held) for held, _ in written.decisions):
            self._outlook.rung()  # room of its kind may have been all that was missing
        self._round = self._aftermath.of(written)
        if self._crew.held:
            self._idle.clear()
        else:
            self._idle.set()
            if not self._round and not self._outlook.look and self._to.queue.is_empty():
                self._drained.set()

    # --- time ---

    def _give_up(self) -> None:
        touched = set(self._round.touched())
        self._round.put_back.extend(held for held in self._crew.held.values() if held not in touched)

    def _sleep_s(self) -> float:
        if self._fault is not None:
            return RETRY_STORE_AFTER_S
        if self._round or self._quitting or self._wants_to_claim():
            return 0.0
        looks_in = IDLE_S if self._halting else self._outlook.seconds()
        attends_in = self._attendant.seconds_left()
        return looks_in if attends_in is None else min(looks_in, attends_in)


def _is_limited(held: Held) -> bool:
    return held.prepared.facts.concurrency is not None
