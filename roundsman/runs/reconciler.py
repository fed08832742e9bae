"""Puts right what a dead process, or a queue that lost its messages, left behind.

Runs of a process that is known to be dead are free at once; those of one that is out of sight when their lease has
run out. A run that should be in the queue and is not (a kill between the store and a queue elsewhere, a Redis that
came back empty, another QUEUE_TYPE than yesterday) gets a new message. One message too many does no harm: whoever
receives it finds that the run is not to be had.
"""

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from roundsman.clock import Clock
from roundsman.errors import BadInputError, QueueError
from roundsman.logs import fields
from roundsman.owner import dead_owners
from roundsman.repositories.engine import Store
from roundsman.repositories.run_claims import RunClaims
from roundsman.repositories.runs import Run, RunRepository
from roundsman.runs import black_box
from roundsman.runs.desk import hand_over, message_of
from roundsman.runs.run_queue import RunQueue

AT_ONCE = 2_000
"""Runs whose messages are looked for in one pass; the next pass goes on behind them."""

SETTLES_WITHIN = timedelta(seconds=30)
"""A run younger than this may be on its way into the queue."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconciled:
    """What one pass has put right."""

    freed: int = 0
    sent_again: int = 0


class Reconciler:
    """One pass now and then; several daemons may do it at once."""

    def __init__(self, store: Store, clock: Clock, queue: RunQueue, claims: RunClaims, notes: Path) -> None:
        """`notes` is the folder of the black boxes (see `roundsman.runs.black_box`)."""
        self._notes = notes
        self._store = store
        self._clock = clock
        self._queue = queue
        self._claims = claims
        self._runs = RunRepository()
        self._passing = threading.Lock()
        self._looked_up_to = 0
        self._refused: set[int] = set()

    def run_once(self) -> Reconciled:
        """Free what nobody holds any more, send what is missing. Raises StoreError; a queue that is away is told of."""
        freed = self.take_over()
        with self._passing:
            return Reconciled(freed, self._send_missing())

    def take_over(self) -> int:
        """Free what nobody holds any more, and return how many runs. For any thread. Raises StoreError."""
        with self._passing:
            return self._free()

    def _free(self) -> int:
        now = self._clock.now()
        left = black_box.left_behind(self._notes)  # first: who dies from now on has runs that we do not see yet
        receivers = self._queue.receivers()
        with self._store.read() as connection:
            dead = dead_owners(receivers | self._claims.owners(connection) | self._queue.owners(connection))
            lease_end = self._claims.lease_ends(connection)
        freed: list[int] = []
        if dead or (lease_end is not None and lease_end <= now):
            with self._store.write() as connection:
                freed = self._claims.release(connection, dead, now, black_box.found(self._notes, dead))
                self._queue.release(connection, dead, now)
        black_box.remove(self._notes, dead | left)
        self._queue.released(dead)
        for run_id in freed:
            words = (
                "Run %d was held by a process that died, or gave no sign of life for a whole lease; it is free again"
            )
            log.warning(words, run_id, extra=fields(RUN_ID=run_id))
        return len(freed)

    def _send_missing(self) -> int:
        before = self._clock.now() - SETTLES_WITHIN
        with self._store.read() as connection:
            found = self._runs.in_queue(connection, before, after=self._looked_up_to, limit=AT_ONCE)
        self._looked_up_to = found[-1].id if len(found) == AT_ONCE else 0
        unknown = self._queue.unknown([run.message_id for run in found if run.message_id is not None])
        self._hasten(found, unknown)
        missing = self._sendable([run for run in found if run.message_id is None or run.message_id in unknown])
        if not missing:
            return 0
        try:
            sent = self._send(missing, before)
        except (QueueError, BadInputError) as error:
            log.warning("%d runs wait to be sent to the queue: %s", len(missing), error)
            return 0
        if sent:
            log.warning("%d runs had lost their messages and were sent again", sent)
        return sent

    def _hasten(self, found: list[Run], unknown: Collection[str]) -> None:
        """Somebody was killed between a signal and the message that waited for it, elsewhere. Fresh runs never wait."""
        now = self._clock.now()
        due = [run for run in found if run.token and (run.not_before is None or run.not_before <= now)]
        late = {run.message_id for run in due if run.message_id is not None} - set(unknown)
        if hastened := self._queue.hasten_late(late):
            log.warning("%d runs were due, but their messages waited for a later time; they come now", hastened)

    def _sendable(self, missing: list[Run]) -> list[Run]:
        """Those that this queue can take, which may be another one than they were submitted for."""
        now = self._clock.now()
        try:
            self._queue.judge([message_of(run, now) for run in missing])
            return missing
        except BadInputError:
            return [run for run in missing if self._is_sendable(run, now)]

    def _is_sendable(self, run: Run, now: datetime) -> bool:
        try:
            self._queue.judge([message_of(run, now)])
        except BadInputError as error:
            if run.id not in self._refused:
                log.error("Run %d cannot be sent to the queue: %s", run.id, error, extra=fields(RUN_ID=run.id))
                self._refused.add(run.id)
            return False
        return True

    def _send(self, found: list[Run], before: datetime) -> int:
        now = self._clock.now()
        with self._store.write() as connection:
            # Some have gone on since our look, and their message was not there as it was done with
            before_us = {run.id: run for run in found}
            again = self._runs.in_queue(connection, before, among=list(before_us), limit=len(found))
            missing = [run for run in again if run.message_id == before_us[run.id].message_id]
            drafts = [message_of(run, now) for run in missing]
            ids = self._queue.enqueue(connection, drafts, now)
            self._runs.sent(connection, {run.id: id_ for run, id_ in zip(missing, ids, strict=True) if id_ is not None})
        hand_over(self._store, self._queue, [run.id for run in missing], drafts)
        return len(missing)
