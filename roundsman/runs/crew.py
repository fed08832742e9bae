"""The runs that this process holds and the workers on their steps: how much room is left, what takes too long."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.runs.black_box import BlackBox
from roundsman.runs.held import CallMade, Held, Prepared, StepEnded
from roundsman.runs.workers import Workers
from roundsman.scheduling.job import StopReason, StopToken

MOST_AHEAD = 500
"""Runs that are claimed before a worker is free for them, at most; a claim of so many takes a few milliseconds."""

AHEAD = timedelta(milliseconds=100)
"""How much work is claimed ahead. What waits here is out of reach of other daemons and of more urgent work, and
comes back late when this machine dies, so it is no more than the workers do while a commit goes on."""

GRACE = timedelta(seconds=5)
"""How long a step may take to notice that its time is over."""


class Crew:
    """Belongs to the engine's thread."""

    def __init__(
        self,
        prepared: Mapping[str, Prepared],
        size: int,
        clock: Clock,
        deliver: Callable[[StepEnded | CallMade], None],
        box: BlackBox,
    ) -> None:
        self.prepared = dict(prepared)
        self.held: dict[int, Held] = {}
        self.workers = Workers(size, clock, deliver, box)
        self._clock = clock
        self._of_kind: Counter[str] = Counter()
        self._strays: list[Held] = []
        """Lost ones whose step is still under way."""
        self._step_s: float | None = None

    def add(self, held: Held) -> None:
        """A run was claimed."""
        if (before := self.held.get(held.id)) is not None:
            self.lose(before)  # another one had it meanwhile, and we did not notice
        self.held[held.id] = held
        self._of_kind[held.run.workflow] += 1

    def reseat(self, held: Held) -> Held:
        """The same run for its next step, out of reach of the worker that did not stop at the last one."""
        fresh = replace(held, stop=StopToken(), lines=deque(), given_up=False, replaced=False, told=None, begun=None)
        self.held[held.id] = fresh
        return fresh

    def begin(self, held: Held) -> None:
        """Hand its present step to the workers."""
        held.begun = None
        self.workers.begin(held)

    def let_go(self, held: Held) -> None:
        """The run is no longer ours."""
        held.given_up = True
        if self.held.get(held.id) is held:
            del self.held[held.id]
            self._of_kind[held.run.workflow] -= 1

    def lose(self, held: Held) -> None:
        """The run is somebody else's now. Its step, if one is under way, is told to stop."""
        self.tell(held, StopReason.CANCELLED)
        self.let_go(held)
        if held.at_work:
            self._strays.append(held)

    def tell(self, held: Held, reason: StopReason) -> None:
        """Tell its step to stop; when it does not within its grace, it is overdue."""
        held.stop.set(reason)
        if held.told is None:
            held.told = self._clock.monotonic()

    def holds(self, held: Held) -> bool:
        """Whether this very claim is still ours, as far as this process knows."""
        return self.held.get(held.id) is held

    def account(self, seconds: float) -> None:
        """A step took so long; what is claimed ahead follows it."""
        seconds = max(seconds, 1e-5)
        self._step_s = seconds if self._step_s is None else 0.95 * self._step_s + 0.05 * seconds

    def room(self) -> int:
        """How many more runs are worth claiming now; none while so few would hardly be worth a statement."""
        size = self.workers.size
        ahead = 0 if self._step_s is None else min(int(size * AHEAD.total_seconds() / self._step_s), MOST_AHEAD)
        free = size + ahead - len(self.held)
        return free if free >= (size + ahead) // 4 or len(self.held) < size else 0

    def wanted(self, room: int) -> dict[str, int]:
        """The room by kind: a limited workflow gets no more than its limit leaves."""
        wanted = {}
        for name, prepared in self.prepared.items():
            limit = prepared.facts.concurrency
            free = room if limit is None else min(room, limit - self._of_kind[name])
            if free > 0:
                wanted[name] = free
        return wanted

    def is_watchful(self) -> bool:
        """Whether there is anything that may become overdue."""
        return bool(self.held or self._strays)

    def not_begun(self) -> list[Held]:
        """Those that wait for a worker, taken back from it: they will surely not begin."""
        return [held for held in self.workers.take_back() if self.holds(held)]

    def overdue(self) -> list[Held]:
        """Tells steps whose time is over to stop; returns those that did not stop within their grace."""
        now = self._clock.monotonic()
        self._strays = [held for held in self._strays if held.at_work and not held.replaced]
        stubborn = []
        for held in [*self.held.values(), *self._strays]:
            begun = held.begun  # the worker may set it to None at any moment
            if begun is None or held.replaced:
                continue
            if held.told is not None:
                if now - held.told >= GRACE.total_seconds():
                    stubborn.append(held)
            elif now - begun >= held.prepared.facts.timeout.total_seconds():
                self.tell(held, StopReason.TIMEOUT)
        return stubborn

    def stop(self, held: Iterable[Held], reason: StopReason) -> None:
        """Ask these to stop."""
        for each in held:
            each.stop.set(reason)
