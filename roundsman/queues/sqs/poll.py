"""Waiting at SQS. A long poll cannot be called off, so it runs in a thread of its own and its receiver can leave it.

There is one at a time. Those who wait join the one that is under way; what it brings when nobody waits any more goes
back at once. Without its thread a stop of the daemon would hang for twenty seconds, and a new wish would wait as long.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import Enum, auto

from roundsman.errors import QueueError
from roundsman.queues.sqs.client import LONGEST_POLL
from roundsman.queues.sqs.letter import Letter, whole_seconds


class Ended(Enum):
    """Why a wait brought nothing."""

    OVER = auto()
    EMPTY = auto()
    """This poll is over; another may follow."""
    WOKEN = auto()
    CLOSED = auto()


class LongPoll:
    """One for each queue object."""

    def __init__(
        self, receive: Callable[[int, int], list[Letter]], give_back: Callable[[Sequence[Letter]], None]
    ) -> None:
        self._receive, self._give_back = receive, give_back
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._waiting = 0
        self._rounds = 0
        self._arrived: list[Letter] = []
        self._fault: BaseException | None = None
        self._woken = self._closed = False

    def wait(self, most: int, left: timedelta) -> list[Letter] | Ended:
        """What comes first. With `most` 0 only waits. Raises what the call raised."""
        with self._changed:
            rounds = self._rounds
            if most and not self._settled(rounds) and self._thread is None:
                seconds = max(1, whole_seconds(min(left, LONGEST_POLL)))
                # a daemon thread: the end of the process does not wait for the service
                self._thread = threading.Thread(
                    target=self._poll, args=(most, seconds), name="sqs-long-poll", daemon=True
                )
                self._thread.start()
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._settled(rounds), left.total_seconds())
                return self._answer(rounds)
            finally:
                self._waiting -= 1

    def woken(self) -> bool:
        """Whether somebody woke it since it was last asked; it then counts as said."""
        with self._changed:
            woken, self._woken = self._woken, False
            return woken

    @property
    def closed(self) -> bool:
        return self._closed

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _settled(self, rounds: int) -> bool:
        return bool(self._arrived) or self._rounds != rounds or self._woken or self._closed

    def _answer(self, rounds: int) -> list[Letter] | Ended:
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            return arrived
        if self._closed:
            return Ended.CLOSED
        if self._woken:
            self._woken = False
            return Ended.WOKEN
        if self._rounds == rounds:
            return Ended.OVER
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        return Ended.EMPTY

    def _poll(self, most: int, seconds: int) -> None:
        arrived: list[Letter] = []
        fault: BaseException | None = None
        try:
            arrived = self._receive(most, seconds)
        except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits
            fault = error
        with self._changed:
            self._thread = None
            self._rounds += 1
            self._fault = fault
            homeless = arrived if self._closed or not self._waiting else []
            self._arrived += [] if homeless else arrived
            self._changed.notify_all()
        if homeless:
            self._return(homeless)

    def _return(self, letters: Sequence[Letter]) -> None:
        try:
            self._give_back(letters)
        except QueueError:
            return  # they come back by themselves when their time is over
