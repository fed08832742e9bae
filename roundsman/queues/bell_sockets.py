"""The bell on SQLite: every listener has a datagram socket beside the file, and whoever enqueues writes to all of them.

A datagram wakes an idle process within a millisecond and costs nothing while nothing happens. Writers that cannot
ring (an older program, a person's sqlite3, one that was killed before it came to it) are noticed by SQLite's own
counter of changes, which is looked at once a second.
"""

import os
import select
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from roundsman.errors import StoreError
from roundsman.repositories.engine import Store

LOOK_EVERY_S = 1.0
"""How long a change of somebody who cannot ring may stay unnoticed."""

_RING, _CLOSE = b"r", b"c"


class SocketBell:
    """The sockets beside one SQLite file."""

    def __init__(self, file: Path) -> None:
        self._file = file.resolve()  # another process may name it by another way
        # Short: an address has room for 108 bytes, whatever the file is called
        self._prefix = f"bell-{blake2b(self._file.name.encode(), digest_size=4).hexdigest()}-"
        self._lock = threading.Lock()
        self._own: dict[str, Callable[[], None]] = {}

    def ring(self) -> None:
        """Tell the listeners of this process directly, all others by a datagram."""
        with self._lock:
            own = dict(self._own)
        for on_ring in own.values():
            on_ring()
        with suppress(OSError), self._folder() as folder:
            with os.scandir(folder) as entries:
                names = [each.name for each in entries if each.name.startswith(self._prefix) and each.name not in own]
            if names:
                self._write_to(names, folder)

    def listen(self, on_ring: Callable[[], None], store: Store) -> "SocketListening":
        """Raises StoreError: the folder takes no socket."""
        name = self._prefix + token_hex(8)
        try:
            with self._folder() as folder:
                bound = self._bind(name, folder)
        except OSError as error:
            raise StoreError(
                f"The folder {self._file.parent} takes no socket ({error.strerror}); let this user write it."
            ) from None
        with self._lock:
            self._own[name] = on_ring
        return SocketListening(bound, on_ring, store, lambda: self._remove(name))

    def _bind(self, name: str, folder: int) -> socket.socket:
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            bound.bind(_address(folder, name))
            # Whoever may write the file may ring; a listener that is root must hear the daemon, too.
            of_file = self._file.stat()
            if os.geteuid() == 0:
                os.chown(name, of_file.st_uid, of_file.st_gid, dir_fd=folder)
            os.chmod(name, of_file.st_mode & 0o666, dir_fd=folder)
        except OSError:
            bound.close()
            raise
        return bound

    def _remove(self, name: str) -> None:
        with self._lock:
            self._own.pop(name, None)
        with suppress(OSError), self._folder() as folder:
            os.unlink(name, dir_fd=folder)

    def _write_to(self, names: list[str], folder: int) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
            for name in names:
                try:
                    sender.sendto(_RING, _address(folder, name))
                except ConnectionRefusedError:  # its process was killed
                    with suppress(OSError):
                        os.unlink(name, dir_fd=folder)
                except OSError:  # its buffer is full of rings, it has just gone, or it is not ours to ring
                    continue

    @contextmanager
    def _folder(self) -> Iterator[int]:
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            os.close(folder)


class SocketListening:
    """One listener: a thread that sleeps on its socket, and once a second looks at the counter of changes."""

    def __init__(
        self, bound: socket.socket, on_ring: Callable[[], None], store: Store, remove: Callable[[], None]
    ) -> None:
        self._socket = bound
        self._on_ring = on_ring
        self._store = store
        self._remove = remove
        self._closer, self._closed = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._connection: Any = None
        self._version: int | None = None
        self._thread = threading.Thread(target=self._listen, name="bell", daemon=True)
        self._thread.start()

    def ill(self) -> str | None:
        return None if self._thread.is_alive() else "the thread that listens for new work has died"

    def close(self) -> None:
        with suppress(OSError):  # it has ended
            self._closer.send(_CLOSE)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._remove()

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._closed, select.POLLIN)
        with self._socket, self._closed, self._closer:
            try:
                self._has_changed()
                self._on_ring()  # for what was enqueued before this moment
                while True:
                    ready = {descriptor for descriptor, _ in poll.poll(LOOK_EVERY_S * 1000)}
                    if self._closed.fileno() in ready:
                        return
                    if ready:
                        self._drain()
                        self._on_ring()
                    elif self._has_changed():
                        self._on_ring()
            finally:
                if self._connection is not None:
                    self._connection.close()

    def _drain(self) -> None:
        """Many rings are one."""
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(16)

    def _has_changed(self) -> bool:
        """Whether another connection, in whatever process, has committed since the last look."""
        with suppress(sqlite3.Error, SQLAlchemyError):  # locked, too many connections: next time
            if self._connection is None:
                self._connection = self._store.engine.raw_connection()
                self._connection.detach()  # it stays ours: the pool may open another one
            cursor = self._connection.cursor()
            before, self._version = self._version, cursor.execute("PRAGMA data_version").fetchone()[0]
            return before is not None and before != self._version
        return False


def _address(folder: int, name: str) -> str:
    """An address of a socket has room for 108 bytes, and the path of a folder may be longer."""
    return f"/proc/self/fd/{folder}/{name}"
