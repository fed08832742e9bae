"""The thread of a listener: how it is started and let go, and whether it still makes progress."""

import threading
from collections.abc import Callable
from datetime import timedelta

from roundsman.clock import Clock


class ListeningThread:
    """One at a time; the work looks at the event that it is given, and says when it will be heard of next."""

    def __init__(self, service: str, clock: Clock, patience: timedelta) -> None:
        """`patience`: how much later than it said the work may be heard of."""
        self._service = service
        self._clock = clock
        self._patience_s = patience.total_seconds()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._beat = 0.0
        self._pause_s = 0.0

    def start(self, work: Callable[[threading.Event], None]) -> None:
        self._stopping = threading.Event()  # a thread of before may still wait for its service, and must not come back
        self.expect_within(timedelta(0))
        name = f"listen-{self._service.lower()}"
        self._thread = threading.Thread(target=work, args=(self._stopping,), name=name, daemon=True)
        self._thread.start()

    def stop(self, wait_s: float = 0.0) -> bool:
        """Ask it to end, and wait so long for that. False: there was none."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None and wait_s:
            thread.join(wait_s)
        return thread is not None

    def expect_within(self, pause: timedelta) -> None:
        """From the work: it is alive, and rests for so long."""
        self._beat, self._pause_s = self._clock.monotonic(), pause.total_seconds()

    def ill(self) -> str | None:
        if self._thread is None or self._stopping.is_set():
            return None
        if not self._thread.is_alive():
            return f"the thread that listens to {self._service} does not live"
        late_s = self._clock.monotonic() - self._beat
        is_late = late_s > self._pause_s + self._patience_s
        return f"the thread that listens to {self._service} hangs for {late_s:.0f} s" if is_late else None
