"""One call of a channel, with an end: whatever a service, a proxy or a name server does, we go on after a while.

A channel's own timeouts hold for one step each. Addresses that are tried one after another, name servers that do not
answer and headers that come in byte by byte add up without a limit; a thread that waits for them counts as hanging,
and for that the watchdog would end the whole daemon.

Nothing can stop a call from outside, so one that took too long is left behind in a thread of its own. Until it ends,
no other one begins on its channel: threads must not pile up, and a channel is called from one thread at a time.
"""

import queue
import threading
from collections.abc import Callable
from datetime import timedelta

from roundsman.alerts.channels.base import DeliveryError, Fault, NotTriedError, Receipt

PATIENCE = timedelta(seconds=40)
"""Connecting, writing and reading take 10 s each when all goes as the channels mean it."""


class Attempts:
    """Makes the calls of one process, and remembers those that were left behind."""

    def __init__(self, patience: timedelta = PATIENCE) -> None:
        self._patience = patience
        self._left_behind: dict[str, threading.Thread] = {}

    def make(self, channel: str, call: Callable[[], Receipt]) -> Receipt:
        """What `call` returns or raises; DeliveryError if it takes too long, NotTriedError while another goes on."""
        earlier = self._left_behind.get(channel)
        if earlier is not None and earlier.is_alive():
            raise NotTriedError(Fault.TEMPORARY, "an earlier attempt hangs and has not come to its end")
        ends: queue.SimpleQueue[Receipt | BaseException] = queue.SimpleQueue()

        def work() -> None:
            try:
                ends.put(call())
            except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits for it
                ends.put(error)

        thread = threading.Thread(target=work, name=f"call-{channel}", daemon=True)
        thread.start()
        try:
            end = ends.get(timeout=self._patience.total_seconds())
        except queue.Empty:
            self._left_behind[channel] = thread
            text = f"it did not come to an end within {self._patience.total_seconds():g} s"
            raise DeliveryError(Fault.TEMPORARY, text) from None
        if isinstance(end, BaseException):
            raise end
        return end
