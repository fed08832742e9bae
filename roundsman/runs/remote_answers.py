"""Tells a queue outside the store what became of messages, in a thread of its own.

While the queue is away, everything waits here, in its order. What it refuses although it is there (no place for dead
letters, a full memory) goes behind the others, so that no answer holds up all later ones, and is given up in the end:
the message comes back when its lease is over, and whoever gets it finds in the store what became of its run.
"""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.errors import QueueError
from roundsman.logs import fields
from roundsman.message import Message
from roundsman.queues.base import Queue
from roundsman.runs.run_queue import Settled, grouped
from roundsman.runs.verdict import Ack, Bury, Nack, Settlement

RETRY_AFTER_S = 1.0
MOST_REFUSALS = 10
"""Of one answer. As many seconds are well within a lease; when it is over, the answer has no meaning any more."""

log = logging.getLogger(__name__)


@dataclass
class _Answer:
    fate: Settlement | None
    """None: their leases begin anew."""
    messages: Sequence[Message]
    refusals: int = 0

    def __str__(self) -> str:
        match self.fate:
            case Ack():
                return "to be done with it"
            case Nack():
                return "to put it back"
            case Bury(reason):
                return f"to make a dead letter of it ({reason})"
            case None:
                return "to prolong its lease"


class Contact:
    """Whether the queue serves, said once at each change. For any thread."""

    def __init__(self) -> None:
        self._lost = False

    def lost(self, error: QueueError) -> None:
        """It does not serve."""
        if not self._lost:
            log.error("The queue does not serve: %s What is held goes on.", error)
        self._lost = True

    def found(self) -> None:
        """It does."""
        if self._lost:
            log.warning("The queue serves again")
        self._lost = False


class RemoteAnswers:
    """Its thread lives from `start` to `stop`; `put` and `extend` may be called before that, and from any thread."""

    def __init__(self, remote: Queue, clock: Clock, contact: Contact) -> None:
        self._remote = remote
        self._clock = clock
        self._contact = contact
        self._inbox: queue.SimpleQueue[list[_Answer] | None] = queue.SimpleQueue()
        self._waiting: list[_Answer] = []
        self._is_away = False
        self._again_at = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> threading.Thread:
        """The thread."""
        self._thread = threading.Thread(target=self._work, name="queue-answer", daemon=True)
        self._thread.start()
        return self._thread

    def stop(self, patience_s: float) -> None:
        """Tell what there is, unless the queue is away."""
        self._inbox.put(None)
        if self._thread is not None:
            self._thread.join(patience_s)

    def put(self, settled: Sequence[Settled]) -> None:
        """What became of these messages."""
        self._inbox.put([_Answer(fate, messages) for fate, messages in grouped(settled).items()])

    def extend(self, messages: Sequence[Message]) -> None:
        """They are still being worked on."""
        self._inbox.put([_Answer(None, messages)])

    # --- the thread ---

    def _work(self) -> None:
        while (answers := self._next()) is not None:
            if self._is_away:
                self._waiting += answers
            else:
                self._give(answers)
            if self._waiting and time.monotonic() >= self._again_at:
                waiting, self._waiting = self._waiting, []
                self._give(waiting)
        if not self._is_away:
            self._give(list(self._waiting))

    def _next(self) -> list[_Answer] | None:
        left = max(self._again_at - time.monotonic(), 0.0) if self._waiting else None
        try:
            return self._inbox.get(timeout=left)
        except queue.Empty:
            return []

    def _give(self, answers: list[_Answer]) -> None:
        """Those that were not taken wait."""
        self._is_away = False
        for place, answer in enumerate(answers):
            try:
                self._tell(answer)
                self._contact.found()
            except QueueError as error:
                if not self._waiting:
                    self._again_at = time.monotonic() + RETRY_AFTER_S
                if self._is_gone(error):
                    self._waiting += [*answers[place + 1 :], answer]  # behind them, should it alone be the cause
                    self._is_away = True
                    return
                self._refused(answer, error)

    def _tell(self, answer: _Answer) -> None:
        match answer.fate:
            case Ack():
                self._remote.ack(answer.messages)
            case Nack(not_before):
                delay = timedelta(0) if not_before is None else max(not_before - self._clock.now(), timedelta(0))
                self._remote.nack(answer.messages, delay)
            case Bury(reason):
                self._remote.bury(answer.messages, reason)
            case None:
                self._remote.extend(answer.messages)

    def _is_gone(self, error: QueueError) -> bool:
        """Whether it is away as such."""
        try:
            self._remote.ping()
        except QueueError:
            self._contact.lost(error)
            return True
        return False

    def _refused(self, answer: _Answer, error: QueueError) -> None:
        answer.refusals += 1
        if answer.refusals < MOST_REFUSALS:
            if not self._waiting and answer.refusals == 1:
                run = answer.messages[0].body.get("run")
                log.warning(
                    "The message of run %s: the queue refuses %s, and is asked again: %s",
                    run, answer, error, extra=fields(RUN_ID=run),
                )  # fmt: skip
            self._waiting.append(answer)
            return
        for message in answer.messages:
            run = message.body.get("run")
            log.error(
                "The message of run %s: the queue refused %d times %s, and is asked no more: %s",
                run, answer.refusals, answer, error, extra=fields(RUN_ID=run),
            )  # fmt: skip
