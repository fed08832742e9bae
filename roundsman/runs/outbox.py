"""The outbox: carries run events from the store to their sinks, as a service of the daemon.

One thread a sink, so that a slow webhook delays nobody else. A thread sleeps on a condition until the next due time
that it knows of. Whoever commits events in this process wakes it; what other processes commit is found by one small
query every few seconds.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.errors import StoreError
from roundsman.logs import fields
from roundsman.owner import Owner, dead_owners
from roundsman.repositories.engine import Store
from roundsman.repositories.run_outbox import AT_ONCE, RunOutbox
from roundsman.runs.courier import GIVEN_UP_AFTER, Courier, Turn
from roundsman.runs.sinks.base import EventSink

LEASE = timedelta(seconds=60)
"""Of a claim. A set is ended after 5 s, and a call that was begun by then takes 20 s, so there is room."""
LOOK_EVERY_S = 5.0
"""How late an event of another process may be noticed, and that its deliverer died."""
BLOCKED_S = 1.0
"""Before asking again for something that is due but waits for an earlier event of its run."""
STOP_PATIENCE = timedelta(seconds=5)
FOREGROUND = timedelta(seconds=30)
LONGEST_SILENCE_S = 180.0
"""A thread that has not come round for this long hangs: a set and its last call take 25 s, a dead name server more."""
TIDY_EVERY_S = 24 * 60 * 60.0
KEPT_ASIDE = timedelta(days=30)
"""How long events that were given up stay in the store."""

log = logging.getLogger(__name__)


class _Line:
    """A sink with its thread. Its courier is used by that thread, or by a command, never by both."""

    def __init__(self, courier: Courier) -> None:
        self.courier = courier
        self.name = courier.sink.name
        self.beat = 0.0
        """When its thread came round last."""
        self.woken = False
        self.thread: threading.Thread | None = None


class Outbox:
    """Service: delivers until stopped. `wake` may be called from any thread."""

    name = "outbox"

    def __init__(self, store: Store, clock: Clock, owner: Owner, sinks: Sequence[EventSink]) -> None:
        self._store = store
        self._clock = clock
        self._owner = str(owner)
        self._events = RunOutbox(self._owner, LEASE)
        self._lines = {sink.name: _Line(Courier(store, clock, self._events, sink)) for sink in sinks}
        self._changed = threading.Condition()
        self._stopping = False
        self._looking = threading.Lock()
        self._looked_at: float | None = None
        self._tidied_at = clock.monotonic()

    @property
    def sinks(self) -> tuple[str, ...]:
        """For whom events are to be written."""
        return tuple(self._lines)

    def start(self) -> None:
        """Take over what dead processes left, and begin. Raises StoreError."""
        self._tidy()
        self._look_after_claims()
        self._stopping = False
        for line in self._lines.values():
            line.beat = self._clock.monotonic()
            line.courier.stopping = False
            line.thread = threading.Thread(target=self._work, args=(line,), name=f"tell-{line.name}", daemon=True)
            line.thread.start()

    def stop(self, within: timedelta = STOP_PATIENCE) -> None:
        """Begin no further delivery and wait so long for those in flight.

        A claim that stays behind is taken over by the next start; nothing is lost.
        """
        with self._changed:
            self._stopping = True
            for line in self._lines.values():
                line.courier.stopping = True
            self._changed.notify_all()
        deadline = self._clock.monotonic() + within.total_seconds()
        for line in self._lines.values():
            if line.thread is None:
                continue
            line.thread.join(max(deadline - self._clock.monotonic(), 0.0))
            if line.thread.is_alive():
                log.warning("A delivery to the sink %s did not end in time and will be repeated", line.name)
            line.thread = None

    def ill(self) -> str | None:
        """Why it makes no progress: a sink's thread is dead or hangs. A receiver that fails is no illness."""
        now = self._clock.monotonic()
        for line in self._lines.values():
            if line.thread is None or not line.thread.is_alive():
                return f"the thread of the sink {line.name} does not live"
            if now - line.beat > LONGEST_SILENCE_S:
                return f"the thread of the sink {line.name} hangs for {now - line.beat:.0f} s"
        return None

    def wake(self) -> None:
        """Events were committed: look at the store now."""
        if not self._lines:
            return
        with self._changed:
            for line in self._lines.values():
                line.woken = True
            self._changed.notify_all()

    def deliver_due(self, within: timedelta = FOREGROUND) -> None:
        """Deliver what is due now and return: for commands, where no thread runs. Raises StoreError.

        What fails, or does not fit into the time, is left to the daemon.
        """
        self._look_after_claims()
        deadline = self._clock.monotonic() + within.total_seconds()
        for line in self._lines.values():
            try:
                while self._clock.monotonic() < deadline and line.courier.turn() is Turn.CARRIED:
                    pass
            finally:
                line.courier.settle()
                line.courier.sink.close()

    def run_once(self, sink: str) -> Turn:
        """One turn of a sink. For its thread and for tests. Raises StoreError."""
        self._look_after_claims()
        return self._lines[sink].courier.turn()

    # --- the threads ---

    def _work(self, line: _Line) -> None:
        failures = 0
        while not self._stopping:
            line.beat = self._clock.monotonic()
            try:
                turn = self.run_once(line.name)
                pause = 0.0 if turn is Turn.CARRIED else self._pause(line, turn)
                failures = 0
            except StoreError as error:
                failures += 1
                if failures == 1:  # the same sentence every five seconds would bury the log
                    log.error("Telling the sink %s waits for the store: %s", line.name, error)
                pause = LOOK_EVERY_S
            except Exception:  # a fault of ours: loud, but no reason to stop telling
                failures += 1
                log.exception("Telling the sink %s failed", line.name)
                pause = LOOK_EVERY_S
            self._wait(line, pause)
        self._end(line)

    def _end(self, line: _Line) -> None:
        try:
            line.courier.settle()
        except StoreError as error:
            log.error("What the sink %s took last could not be recorded and will be repeated: %s", line.name, error)
        line.courier.sink.close()

    def _pause(self, line: _Line, turn: Turn) -> float:
        """Seconds until this sink can have something to do, unless woken."""
        if turn is Turn.RESTING:
            return min(line.courier.open_at - self._clock.monotonic(), LOOK_EVERY_S)
        due = line.courier.next_due()
        if due is None:
            return LOOK_EVERY_S
        until_due = (due - self._clock.now()).total_seconds()
        return min(until_due if until_due > 0 else BLOCKED_S, LOOK_EVERY_S)

    def _wait(self, line: _Line, seconds: float) -> None:
        with self._changed:
            if seconds > 0 and not (line.woken or self._stopping):
                self._changed.wait(seconds)
            line.woken = False

    # --- what others left ---

    def _look_after_claims(self) -> None:
        """Now and then, whichever thread comes first: free what the dead and the silent hold."""
        with self._looking:
            now_s = self._clock.monotonic()
            if self._looked_at is not None and now_s - self._looked_at < LOOK_EVERY_S:
                return
            now = self._clock.now()
            with self._store.read() as connection:
                holders = self._events.holders(connection)
            dead = dead_owners(holders.keys() - {self._owner})
            if dead or any(until <= now for until in holders.values()):
                held = [number for line in self._lines.values() for number in line.courier.held()]
                with self._store.write() as connection:
                    freed = self._events.release(connection, dead, held, now)
                if freed:
                    log.warning("Took over from another process, not known to be delivered: run events %d", freed)
            self._looked_at = now_s
            if now_s - self._tidied_at >= TIDY_EVERY_S:
                self._tidy()

    def _tidy(self) -> None:
        """Remove what was given up long ago, and tell of events that nobody will deliver as the settings are."""
        now, self._tidied_at = self._clock.now(), self._clock.monotonic()
        with self._store.write() as connection:
            self._events.forget(connection, now - KEPT_ASIDE)
        with self._store.read() as connection:
            backlog = self._events.backlog(connection)
        for sink in backlog.keys() - self._lines.keys():
            given_up = self._give_up(sink)
            if given_up:
                log.error(
                    "Run events for the sink %s, which is not set up, are given up after %d days: %d",
                    sink, GIVEN_UP_AFTER.days, given_up, extra=fields(SINK=sink),
                )  # fmt: skip
            if backlog[sink].waiting > given_up:
                waiting = backlog[sink].waiting - given_up
                log.warning("Run events wait for the sink %s, which is not set up: %d", sink, waiting)

    def _give_up(self, sink: str) -> int:
        """Events that are too old, of a sink that nobody delivers to. Returns how many."""
        now, total = self._clock.now(), 0
        while True:
            with self._store.write() as connection:
                count = self._events.expire(connection, sink, now - GIVEN_UP_AFTER, "the sink is not set up", now)
            total += count
            if count < AT_ONCE:
                return total
