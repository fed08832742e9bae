"""The threads that execute steps. They know nothing of the store: a step goes in, its end comes out.

A thread cannot be killed. One whose step does not end when it is told to is given up: another takes its place, and
whatever it says later is dropped.
"""

import contextlib
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
        self._threads: list[threading.Thread] = []
        self._under_way = 0

    def begin(self, held: Held) -> None:
        """Execute the present step of this run as soon as a thread is free."""
        self._under_way += 1
        if len(self._threads) < min(self._under_way, self.size):
            self._add()  # threads come with the work: a daemon that drives nothing has none
        self._ready.put(held)

    def ended(self) -> None:
        """A step has ended."""
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

    def replace(self) -> None:
        """A thread was given up with its step."""
        self._add()

    def stop(self) -> None:
        """The threads end when they are free."""
        for _ in self._threads:
            self._ready.put(None)
        self._threads = []
        self._under_way = 0

    def _add(self) -> None:
        thread = threading.Thread(target=self._loop, name=f"step-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self) -> None:
        seat = self._box.seat()
        while (held := self._ready.get()) is not None:
            if held.given_up:
                continue
            self._box.note(seat, held.id)
            ended = execute(held, self._clock, self._deliver)
            self._box.note(seat, 0)
            self._deliver(ended)
            if self._was_replaced(held):
                break
        self._box.leave(seat)

    def _was_replaced(self, held: Held) -> bool:
        """Whether the step took so long that another thread has taken this one's place."""
        return held.given_up


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
