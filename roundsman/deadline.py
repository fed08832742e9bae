"""One end for all the steps of a conversation over a socket.

A socket's own timeout begins anew with every byte, so an answer that drips in never runs into it. Imported by those
who talk to servers.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta


@contextlib.contextmanager
def deadline(limit: timedelta, sock: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Whatever is done in here on that socket ends in TimeoutError after so long, even if something comes all the time.

    `sock` is asked when the time is over.
    """
    over = threading.Event()

    def end() -> None:
        over.set()
        found = sock()
        if found is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)  # that of TLS would pull the rug from under a reader

    timer = threading.Timer(limit.total_seconds(), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if over.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
