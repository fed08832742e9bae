"""The order of a run's events, whatever fails and whoever is killed: histories of two processes and one receiver."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outbox_samples import BUSY, REFUSED, backlog, drain, put
from sqlalchemy import text

from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.engine import Store
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.runs.outbox import Outbox

Told = tuple[int, str]


@dataclass(frozen=True)
class Step:
    """What happens next in a history."""

    runs: list[int]
    """Each of them has one more event to tell."""
    ends: list[str]
    """Of the next deliveries."""
    second: bool
    """Which of the two processes has its turn."""
    seconds: int
    """And then so much time goes by."""


STEPS = st.lists(
    st.builds(
        Step,
        st.lists(st.integers(1, 4), max_size=6),
        st.lists(st.sampled_from(["taken", "taken", "taken", "busy", "refused", "killed"]), max_size=8),
        st.booleans(),
        st.integers(0, 400),
    ),
    max_size=12,
)


class KilledError(BaseException):
    """The process died in the middle of a delivery, after the receiver had got it."""


class MoodyReceiver:
    """One receiver for all processes."""

    name = "receiver"

    def __init__(self, most: int, at_once: int) -> None:
        self.most, self.at_once = most, at_once
        self.ends: list[str] = []
        self.told: list[Told] = []
        self.refused: set[Told] = set()

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        try:
            end = self.ends.pop()
        except IndexError:  # also of another thread's pop
            end = "taken"
        these = [(event.run_id, event.event) for event in events]
        if end == "busy":
            raise BUSY
        if end == "refused":
            self.refused.update(these)
            raise REFUSED
        self.told += these
        if end == "killed":
            raise KilledError

    def close(self) -> None:
        pass


class History:
    """Two processes on one store, of which either may be killed and is then followed by another one."""

    def __init__(self, store: Store, clock: ManualClock, receiver: MoodyReceiver) -> None:
        self.store = store
        self.clock = clock
        self.receiver = receiver
        self.happened: dict[int, list[str]] = {}
        self._lives = count()
        self._processes = [self._born(), self._born()]

    def take(self, step: Step) -> None:
        for run in step.runs:
            names = self.happened.setdefault(run, [])
            names.append(f"event {len(names)}")
            put(self.store, self.clock, (run, names[-1]))
        self.receiver.ends[:] = step.ends
        try:
            self._processes[step.second].run_once("receiver")
        except KilledError:
            self._processes[step.second] = self._born()
        self.clock.advance(timedelta(seconds=step.seconds))

    def end_well(self) -> None:
        """From now on the receiver takes everything."""
        self.receiver.ends.clear()
        for _ in range(100):
            for process in self._processes:
                drain(process)
            if backlog(self.store).waiting == 0:
                return
            self.clock.advance(timedelta(minutes=5))

    def _born(self) -> Outbox:
        owner = replace(Owner.this_process(), place=f"another machine, life {next(self._lives)}")
        return Outbox(self.store, self.clock, owner, [self.receiver])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS, calls=st.sampled_from([(1, 1), (3, 1), (1, 4), (2, 2)]))
def test_the_events_of_a_run_arrive_in_order_whatever_fails(
    sqlite_store: Store, clock: ManualClock, steps: list[Step], calls: tuple[int, int]
) -> None:
    with sqlite_store.write() as connection:
        connection.execute(text("DELETE FROM run_events"))  # of the history before
    receiver = MoodyReceiver(*calls)
    history = History(sqlite_store, clock, receiver)
    for step in steps:
        history.take(step)
    history.end_well()
    assert backlog(sqlite_store).waiting == 0
    for run, names in history.happened.items():
        heard = [name for told_run, name in receiver.told if told_run == run]
        missing = {(run, name) for name in names if name not in heard}
        assert missing <= receiver.refused, "lost"
        assert heard == sorted(heard, key=names.index), "an earlier event came after a later one"
