"""The threads that execute steps. They know nothing of the store: a step goes in, its end comes out.

A thread cannot be killed. One whose step does not end when it is told to is given up: another takes its place, and
whatever it says later is dropped.
"""

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable

from roundsman.clock import Clock
from roundsman.fsm.context import RunContext
from roundsman.runs.black_box import BlackBox
from roundsman.runs.held import CallMade, Held, StepEnded
from roundsman.runs.recorder import RunLog, StepRecorder

_Deliver = Callable[[StepEnded | CallMade], None]


class Workers:
    """Up to `size` threads, fed by `begin`; `deliver` is called from them. One engine's thread calls the methods."""

    def __init__(self, size: int, clock: Clock, deliver: _Deliver, box: BlackBox) -> None:
        self.size = size
        self._box = box
        self._clock = clock
        self._deliver = deliver
        self._ready: queue.SimpleQueue[Held | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._live = 0
        """Threads that take steps: without those that are given up."""
        self._under_way = 0

    def begin(self, held: Held) -> None:
        """Execute the present step of this run as soon as a thread is free."""
        self._under_way += 1
        if self._live < min(self._under_way, self.size):
            self._live += 1
            self._add()  # threads come with the work: a daemon that drives nothing has none
        self._ready.put(held)

    def ended(self, held: Held) -> None:
        """A step has ended."""
        if not held.replaced:
            self._under_way -= 1

    def take_back(self) -> list[Held]:
        """What no thread has begun yet."""
        waiting = []
        with contextlib.suppress(queue.Empty):
            while True:
                if (held := self._ready.get_nowait()) is not None:
                    waiting.append(held)
        self._under_way -= len(waiting)
        return waiting

    def give_up(self, held: Held) -> bool:
        """Put another thread into the place of the one that is at this step. False: it has just ended, or waits."""
        with self._lock:
            if held.begun is None or held.replaced:
                return False
            held.replaced = True
        self._under_way -= 1
        self._add()
        return True

    def stop(self) -> None:
        """The threads end when they are free."""
        for _ in range(self._live):
            self._ready.put(None)
        self._ready = queue.SimpleQueue()  # those of another start have one of their own
        self._live = self._under_way = 0

    def _add(self) -> None:
        name = f"step-{next(self._numbers)}"
        threading.Thread(target=self._loop, args=(self._ready,), name=name, daemon=True).start()

    def _loop(self, ready: "queue.SimpleQueue[Held | None]") -> None:
        seat = self._box.seat()
        while (held := ready.get()) is not None:
            if held.given_up:
                continue
            self._box.note(seat, held.id)
            ended = execute(held, self._clock, self._deliver)
            self._box.note(seat, 0)
            with self._lock:  # from here on it has ended, and nobody takes this thread's place
                held.begun = None
                replaced = held.replaced
            self._deliver(ended)
            if replaced:
                break
        self._box.leave(seat)


def execute(held: Held, clock: Clock, deliver: _Deliver) -> StepEnded:
    """One attempt of the present step of a run, in the caller's thread. Raises nothing: its end tells."""
    step = held.prepared.steps[held.state]
    name = step.__name__
    recorder = StepRecorder(held, clock, deliver)
    context = RunContext(
        held.run.id, held.run.workflow, held.state, held.run.input, held.data, held.attempt + 1,
        held.run.correlation_id, clock, RunLog(held, name, clock), held.stop, recorder,
    )  # fmt: skip
    started_at = clock.now()
    held.begun = clock.monotonic()
    try:
        result = step(context)
        recorder.check_end()
    except BaseException as error:  # noqa: BLE001  SystemExit in a step is the step's fault, not the daemon's end
        return StepEnded(held, name, started_at, clock.now(), None, error, recorder.calls)
    return StepEnded(held, name, started_at, clock.now(), result, None, recorder.calls)
