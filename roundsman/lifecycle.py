"""The life of the process: start everything in order, make rounds, stop everything in reverse to one deadline.

Signal handlers only put the signal into a queue: anything more (logging, locks) could deadlock with the code that
they interrupted. The main thread takes it from there.

A round proves progress before the watchdog is fed: every service says that it is healthy, or the process has no
right to live. A dead part never leaves a half-alive daemon: the watchdog of systemd ends it, and without systemd
the daemon ends itself.
"""

import logging
import queue
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType, TracebackType
from typing import Protocol, Self

from roundsman.clock import Clock
from roundsman.errors import EXIT_DONE, EXIT_FAILED, RoundsmanError
from roundsman.systemd import Notifier

ROUND = timedelta(seconds=10)
_CLOCK_STEP = timedelta(seconds=1)
"""Wall and monotonic clock drifting apart by more than this between two rounds is a jump, not NTP's slewing."""
CANCEL_GRACE = timedelta(seconds=3)
"""How long cancelled runs may take to come back before they are recorded as interrupted: longer than the time that an
isolated job gets before it is killed, so that its end is seen."""
_SICK_ROUNDS = 6
"""Without a watchdog the process ends itself after so many unhealthy rounds (a minute)."""

log = logging.getLogger(__name__)


class Service(Protocol):
    """A long-lived part."""

    @property
    def name(self) -> str: ...

    def start(self) -> None:
        """Raises RoundsmanError when it cannot."""
        ...

    def stop(self) -> None:
        """Safe to call twice, and before start."""
        ...

    def ill(self) -> str | None:
        """Why it makes no progress; None when it does. May take a second."""
        ...


class Work(Protocol):
    """What the services do together, as far as stopping and reporting need to know."""

    def halt(self) -> None:
        """Begin nothing new."""
        ...

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing runs, at most so long."""
        ...

    def cancel(self) -> None:
        """Ask what still runs to stop."""
        ...

    def give_up(self) -> list[str]:
        """Record what still runs as interrupted; returns its names."""
        ...

    def awaited(self) -> str:
        """What still runs and for how long, in words."""
        ...

    def status(self) -> str:
        """One line for `systemctl status`."""
        ...

    def look_around(self) -> None:
        """Once a round: take over what others have left undone. Raises RoundsmanError."""
        ...

    def clock_jumped(self, by: timedelta) -> None:
        """The wall clock was set, or the machine slept. Raises RoundsmanError."""
        ...


class SignalInbox:
    """Signals as a queue. Use as a context manager; the previous handlers come back at the end."""

    HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()  # put() is safe inside a handler
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        for number in self.HANDLED:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._queue.put(signal.Signals(number))

    def take(self, seconds: float) -> signal.Signals | None:
        """The next signal, or None after so long."""
        try:
            return self._queue.get(timeout=max(seconds, 0))
        except queue.Empty:
            return None


@dataclass
class _Seen:
    """Both clocks at the last round."""

    wall: float
    monotonic: float


class Lifecycle:
    """Runs the daemon from start to exit code."""

    def __init__(
        self,
        clock: Clock,
        notifier: Notifier,
        services: Sequence[Service],
        work: Work,
        reload: Callable[[], None],
        deadline: timedelta,
    ) -> None:
        self._clock = clock
        self._notifier = notifier
        self._services = tuple(services)
        self._work = work
        self._reload = reload
        self._deadline = deadline
        self._sick_rounds = 0
        watchdog = notifier.watchdog_interval()
        # Three rounds to a watchdog period: one may be slow without costing the process its life.
        self._round = min(ROUND, watchdog / 3) if watchdog else ROUND
        self._has_watchdog = watchdog is not None

    def run(self, signals: SignalInbox) -> int:
        """Start, serve until a signal, stop; returns the exit code. Raises RoundsmanError when it cannot start."""
        started: list[Service] = []
        try:
            for service in self._services:
                service.start()
                started.append(service)
        except BaseException:
            for service in reversed(started):
                service.stop()
            raise
        self._seen = self._look()
        self._notifier.ready(self._work.status())
        log.info("Ready: %s", self._work.status())
        return self._serve(signals)

    def _serve(self, signals: SignalInbox) -> int:
        next_round = self._clock.monotonic()
        while True:
            wait = next_round - self._clock.monotonic()
            arrived = signals.take(wait) if wait > 0 else None
            if arrived is signal.SIGHUP:
                self._reload_settings()
            elif arrived is not None:
                return self._stop(arrived, signals)
            elif self._clock.monotonic() >= next_round:
                next_round = self._clock.monotonic() + self._round.total_seconds()
                if not self._make_round():
                    return self._stop_sick()

    # --- rounds ---

    def _make_round(self) -> bool:
        """Feed the watchdog if all is well; False when the process should end itself."""
        seen = self._look()
        jump = (seen.wall - self._seen.wall) - (seen.monotonic - self._seen.monotonic)
        self._seen = seen
        try:
            if abs(jump) > _CLOCK_STEP.total_seconds():
                self._work.clock_jumped(timedelta(seconds=jump))
        except RoundsmanError as error:
            log.error("After the clock jumped by %.1f s: %s", jump, error)
        ills = [f"{service.name}: {ill}" for service in self._services if (ill := service.ill()) is not None]
        if not ills:
            self._sick_rounds = 0
            self._notifier.watchdog()
            self._notifier.status(self._work.status())
            self._look_around()
            return True
        self._sick_rounds += 1
        text = "; ".join(ills)
        self._notifier.status(f"No progress: {text}")
        log.critical("No progress, so the watchdog is not fed: %s", text)
        return self._has_watchdog or self._sick_rounds < _SICK_ROUNDS

    def _look_around(self) -> None:
        try:
            self._work.look_around()
        except RoundsmanError as error:
            log.error("What other daemons left undone waits: %s", error)

    def _look(self) -> _Seen:
        return _Seen(self._clock.now().timestamp(), self._clock.monotonic())

    def _reload_settings(self) -> None:
        self._notifier.reloading()
        try:
            self._reload()
        except RoundsmanError as error:
            log.error("Reload refused, the settings in force stay: %s", error)
        finally:
            self._notifier.ready(self._work.status())

    # --- stopping ---

    def _stop(self, first: signal.Signals, signals: SignalInbox) -> int:
        log.info("%s: stopping; runs under way have %.0f s", first.name, self._deadline.total_seconds())
        self._notifier.stopping("Stopping: no new runs")
        self._work.halt()
        forced = not self._wait(signals, self._deadline)
        if not forced:
            self._work.cancel()
            forced = not self._wait(signals, CANCEL_GRACE)
        for name in self._work.give_up():
            log.warning("Interrupted: %s", name)
        for service in reversed(self._services):
            service.stop()
        log.info("Stopped%s", " at once, as asked" if forced else "")
        return EXIT_FAILED if forced else EXIT_DONE

    def _wait(self, signals: SignalInbox, most: timedelta) -> bool:
        """Wait for runs to end, at most so long; False when a second signal came."""
        end = self._clock.monotonic() + most.total_seconds()
        told = ""
        while not self._work.wait_idle(0):
            left = end - self._clock.monotonic()
            if left <= 0:
                return True
            awaited = self._work.awaited()
            if awaited != told:
                told = awaited
                self._notifier.status(f"Stopping: waiting for {awaited}, {left:.0f} s left")
            self._notifier.extend_timeout(timedelta(seconds=left) + 3 * CANCEL_GRACE)
            if self._work.wait_idle(min(left, 0.25)):
                break
            arrived = signals.take(0)
            if arrived is not None and arrived is not signal.SIGHUP:
                log.warning("%s again: stopping at once", arrived.name)
                return False
        return True

    def _stop_sick(self) -> int:
        log.critical("No progress for %d rounds: giving up", _SICK_ROUNDS)
        self._work.halt()
        self._work.give_up()
        return EXIT_FAILED
