"""Listening to the bell of a store: in the test's own process, and ringing and listening in another one."""

import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from roundsman.queues.bell import Bell
from roundsman.repositories.engine import Store

WAIT_S = 30.0
QUIET_S = 0.3

_OTHER = """
import sys, threading
from contextlib import closing
from roundsman.queues.bell import Bell
from roundsman.repositories.engine import Store, StoreOptions, parse_url
with closing(Store(StoreOptions(parse_url(sys.argv[2])))) as store:
    bell = Bell(store)
    if sys.argv[1] == "ring":
        with store.write() as connection:
            bell.in_transaction(connection)
        bell.after_commit()
    if sys.argv[1] == "write":
        with store.write() as connection:
            connection.exec_driver_sql("INSERT INTO pages (page_id, is_synced) VALUES ('p', 1)")
    if sys.argv[1] == "listen":
        with closing(bell.listen(lambda: print("rung", flush=True))):
            sys.stdin.read()
"""


class Ears:
    """What was heard: one entry a ring."""

    def __init__(self) -> None:
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __call__(self) -> None:
        self._rings.put(None)

    def hear(self) -> None:
        self._rings.get(timeout=WAIT_S)

    def hear_nothing(self) -> None:
        with pytest.raises(queue.Empty):
            self._rings.get(timeout=QUIET_S)

    def forget(self) -> None:
        """What comes within a moment, such as the ring of the beginning."""
        try:
            while True:
                self._rings.get(timeout=QUIET_S)
        except queue.Empty:
            return


@contextmanager
def ears_on(store: Store) -> Iterator[Ears]:
    ears = Ears()
    with closing(Bell(store).listen(ears)):
        ears.hear()  # listening has begun
        yield ears


def elsewhere(what: str, store: Store) -> None:
    """Do it in another process."""
    url = store.options.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", _OTHER, what, url], check=True, timeout=60)


@contextmanager
def listener_elsewhere(store: Store) -> Iterator["subprocess.Popen[str]"]:
    url = store.options.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", _OTHER, "listen", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "rung\n"
            yield other
        finally:
            other.kill()


def ring(store: Store, bell: Bell | None = None) -> None:
    bell = bell or Bell(store)
    with store.write() as connection:
        bell.in_transaction(connection)
    bell.after_commit()
