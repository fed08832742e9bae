"""Whether the queue is worth a look: somebody rang, the last look did not take all there was, or something is due."""

from datetime import datetime

from sqlalchemy import Connection

from roundsman.clock import Clock
from roundsman.repositories.engine import Store
from roundsman.runs.crew import Crew
from roundsman.runs.run_queue import RunQueue

NOT_OURS_S = 0.05
"""Between looks for something that is due and yet not to be had: another daemon is about it."""
QUIET_S = 0.01
"""After a commit the next one is most often near, and would change the answer to when something is due: as long as
this, nobody asks. It is also when the step that has just begun needs the interpreter most."""
BUSY_S = 0.25
"""The longest time without a look, or without asking what is due, where so much goes on that nobody ever sleeps."""
IDLE_S = 60.0
"""The longest sleep when nothing is to be expected; only a lost wake-up could make it matter."""


class Outlook:
    """Belongs to the engine's thread."""

    def __init__(self, store: Store, clock: Clock, queue: RunQueue, crew: Crew) -> None:
        self.look = True
        """There may be something."""
        self.found_nothing = False
        """The last look was in vain."""
        self._store = store
        self._clock = clock
        self._queue = queue
        self._crew = crew
        self._due_at: datetime | None = None
        self._is_known = False
        self._is_quiet = False
        self._looked_at = 0.0

    def rung(self) -> None:
        """Somebody says that there is something, or that something has changed."""
        self.look, self._is_known = True, False

    def looked(self, room: int, received: int) -> None:
        """A look with so much room brought so much."""
        self._looked_at = self._clock.monotonic()
        self.look = received >= room
        self.found_nothing = received == 0

    def changed(self) -> None:
        """A commit may have put something back for later."""
        self._is_known = self._is_quiet = False

    def passed(self) -> None:
        """The engine has come by: it may be time to look, however much else there is to do."""
        if self.look:
            return
        if self._is_known:
            is_due = self._due_at is not None and self._due_at <= self._clock.now()
        else:
            is_due = self._clock.monotonic() - self._looked_at >= BUSY_S
        if is_due:
            self.rung()

    def seconds(self) -> float:
        """Until the next look. Raises StoreError."""
        if self.look:
            return IDLE_S  # room is all that is missing, and it comes with the end of a step
        if not self._is_known and not self._is_quiet:
            self._is_quiet = True  # if nothing comes within this
            return QUIET_S
        if not self._is_known:
            with self._store.read() as connection:
                self._due_at = self._next_due(connection)
            self._is_known = True
            self._looked_at = self._clock.monotonic()
        if self._due_at is None:
            return IDLE_S
        left = (self._due_at - self._clock.now()).total_seconds()
        if left > 0:
            return min(left, IDLE_S)
        self.rung()
        return NOT_OURS_S if self.found_nothing else 0.0

    def _next_due(self, connection: Connection) -> datetime | None:
        return self._queue.next_due(connection, self._crew.prepared.keys())
