"""Notices within a moment that another process of this machine has died, so that nothing it held waits for a round.

The kernel tells it: a descriptor for each process that may hold runs becomes readable when that process ends. A thread
sleeps on all of them and costs nothing meanwhile. Whom to watch is looked up in the store once a round of the daemon;
a process that came and died between two such looks is found by the next one.
"""

import logging
import os
import select
import threading
from collections.abc import Callable

from roundsman.errors import StoreError
from roundsman.owner import Owner, dead_owners
from roundsman.repositories.daemons import DaemonRepository
from roundsman.repositories.engine import Store
from roundsman.repositories.run_claims import RunClaims

MOST = 64
"""Processes that are watched; those beyond are found dead by the round of the poller."""
LOOK_AGAIN_S = 2.0
"""After a death: the server of a database may end a commit that it had begun for the dead one."""
STOP_PATIENCE_S = 3.0

log = logging.getLogger(__name__)


class Neighbours:
    """`take_over` is called in a thread of its own for whatever dead processes held. It may raise StoreError."""

    def __init__(self, store: Store, claims: RunClaims, me: Owner, take_over: Callable[[], object]) -> None:
        self._store = store
        self._claims = claims
        self._me = me
        self._take_over = take_over
        self._daemons = DaemonRepository()
        self._lock = threading.Lock()
        self._watched: dict[str, int] = {}
        """Owners, and the descriptors of their processes."""
        self._known_dead: set[str] = set()
        self._thread: threading.Thread | None = None
        self._bell = -1
        self._stopping = threading.Event()
        self._somebody_died = False

    def start(self) -> None:
        """Begin to watch. What is dead already was taken over by the caller. Raises StoreError."""
        self._stopping.clear()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.look()
        self._somebody_died = False
        self._thread = threading.Thread(target=self._work, name="neighbours", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch nobody any more."""
        if self._thread is None:
            return
        self._stopping.set()
        self._ring()
        self._thread.join(STOP_PATIENCE_S)
        if self._thread.is_alive():  # the store does not answer; its descriptors end with the process
            return
        self._thread = None
        for descriptor in (*self._watched.values(), self._bell):
            os.close(descriptor)
        self._watched = {}
        self._bell = -1

    def look(self) -> None:
        """See who there is. Raises StoreError."""
        if self._bell < 0:
            return
        with self._store.read() as connection:
            holders = self._claims.owners(connection)
            owners = holders | {daemon.owner for daemon in self._daemons.all(connection)}
        dead = dead_owners(owners)
        with self._lock:
            news = self._somebody_died = self._somebody_died or bool(dead & holders or dead - self._known_dead)
            self._known_dead = dead
            for owner in sorted(owners - dead - self._watched.keys())[: MOST - len(self._watched)]:
                descriptor = _descriptor_of(owner, self._me)
                if descriptor is not None:
                    self._watched[owner] = descriptor
                    news = True
        if news:
            self._ring()

    # --- the thread ---

    def _work(self) -> None:
        again = False
        while not self._stopping.is_set():
            died = self._wait(LOOK_AGAIN_S if again else None)
            if self._stopping.is_set():
                return
            if died or again:
                self._do()
            again = died

    def _wait(self, seconds: float | None) -> bool:
        """Until somebody dies, or so long. Whether somebody did; false also when there is somebody new to watch."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        with self._lock:
            watched = dict(self._watched)
        for descriptor in watched.values():
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)}
        if self._bell in ready:
            os.eventfd_read(self._bell)
        with self._lock:
            gone = [owner for owner, descriptor in watched.items() if descriptor in ready]
            for owner in gone:
                os.close(self._watched.pop(owner))
                self._known_dead.add(owner)
            died, self._somebody_died = bool(gone) or self._somebody_died, False
        return died

    def _do(self) -> None:
        try:
            self._take_over()
        except StoreError as error:
            log.warning("What a dead process held stays for the next round: %s", error)
        except Exception:  # a fault of ours: the poller does the same in its round
            log.exception("What a dead process held was not taken over")

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)


def _descriptor_of(text: str, me: Owner) -> int | None:
    """Of the process, if it is another one that this machine can see."""
    try:
        owner = Owner.parse(text)
    except ValueError:
        return None
    if owner.place != me.place or owner == me:
        return None
    try:
        descriptor = os.pidfd_open(owner.pid)
    except OSError:  # it has just died, or this kernel may not tell us: the round of the poller finds it
        return None
    if owner.surely_dead():  # its number belongs to somebody else
        os.close(descriptor)
        return None
    return descriptor
