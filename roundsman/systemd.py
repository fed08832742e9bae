"""What the daemon tells systemd over sd_notify(3), and the watchdog limit it was given.

The sdnotify package hides every error: a lost message is silent. That is kept, as a daemon must not fall over
because its supervisor did not listen; what systemd missed shows in its start timeout or watchdog. Two things
the package leaves open are mended here: it encodes as Latin-1 (a Vietnamese STATUS would be dropped), and its
socket may block for ever.

Without NOTIFY_SOCKET all of this does nothing and the package is not even imported.
"""

import os
import socket
import threading
import time
from datetime import timedelta
from typing import Protocol

PATIENCE = timedelta(milliseconds=250)
"""A notification that the socket does not take within this time is dropped."""
LONGEST_STATUS = 400
"""Characters; systemctl shows one line, and a notification is read into a buffer of 4 KiB."""


class _Sender(Protocol):
    socket: socket.socket | None

    def notify(self, state: str) -> None: ...


class Notifier:
    """One connection to the service manager; safe to use from many threads.

    With `NotifyAccess=main` only the main process is heard, so children must not use one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sender = _connect()

    @property
    def connected(self) -> bool:
        """False when nobody asked for notifications."""
        return self._sender is not None

    def ready(self, status: str) -> None:
        """Start-up or reload is complete: the daemon truly works."""
        self._tell("READY=1", _status(status))

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self._tell(_status(text))

    def reloading(self) -> None:
        """Settings are being read again; `ready` ends it. systemd wants the time with it (sd_notify(3))."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """Shutdown began."""
        self._tell("STOPPING=1", _status(status))

    def extend_timeout(self, by: timedelta) -> None:
        """Ask for this much more time, from now, before systemd loses patience with a start or a stop."""
        self._tell(f"EXTEND_TIMEOUT_USEC={by // timedelta(microseconds=1)}")

    def watchdog(self) -> None:
        """A sign of life. Send it only when work truly progresses."""
        self._tell("WATCHDOG=1")

    @staticmethod
    def watchdog_interval() -> timedelta | None:
        """systemd's limit for this process (`WatchdogSec=`), or None when it does not watch.

        Send signs of life at less than half of it.
        """
        limit = os.environ.get("WATCHDOG_USEC", "")
        watched = os.environ.get("WATCHDOG_PID", "")
        if not limit.isdigit() or int(limit) == 0:
            return None
        if watched and watched != str(os.getpid()):
            return None
        return timedelta(microseconds=int(limit))

    def close(self) -> None:
        """Let go of the socket; whatever is told later is dropped."""
        with self._lock:
            if self._sender is not None and self._sender.socket is not None:
                self._sender.socket.close()
            self._sender = None

    def _tell(self, *lines: str) -> None:
        with self._lock:
            if self._sender is not None:
                # the package encodes as Latin-1, so UTF-8 is handed to it byte by byte
                self._sender.notify("\n".join(lines).encode("utf-8", "replace").decode("latin-1"))


def _connect() -> _Sender | None:
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    from sdnotify import SystemdNotifier

    sender: _Sender = SystemdNotifier()
    if sender.socket is not None:
        sender.socket.settimeout(PATIENCE.total_seconds())
    return sender


def _status(text: str) -> str:
    """STATUS is one line: a line break would begin another assignment."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f"STATUS={line[:LONGEST_STATUS]}"
