"""The journal's native protocol: one datagram an entry, any fields, values of many lines.

Written to the documented socket format (systemd's "Native Journal Protocol") with the standard library, since the
bindings need a compiler or a large wheel. An entry too large for a datagram travels in a sealed memory file whose
descriptor is sent instead.

A journal that is away or does not read must not stop the daemon: systemd's watchdog would kill it for that. So
sending waits `PATIENCE` at most, and after one such wait not at all for `SULK`.
"""

import array
import errno
import fcntl
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
PATIENCE = timedelta(milliseconds=250)
SULK = timedelta(seconds=5)
MOST_BYTES = 1024 * 1024
"""Of one field. A traceback needs kilobytes; more is a mistake that should not fill the journal."""

_FIELD_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class Sent(Enum):
    """What became of one entry."""

    TAKEN = auto()
    BUSY = auto()
    """The journal runs and does not read."""
    AWAY = auto()
    """Nobody listens at the socket."""


@lru_cache(1024)  # every run of a job asks for the same few
def is_field_name(name: str) -> bool:
    """journald drops other names silently: capitals, digits, underscore, at most 64, no leading underscore or digit."""
    return _FIELD_NAME.fullmatch(name) is not None


def stream_is_journal(descriptor: int, journal_stream: str | None) -> bool:
    """True when systemd connected this very descriptor to the journal (`JOURNAL_STREAM`, systemd.exec(5))."""
    device, _, inode = (journal_stream or "").partition(":")
    if not (device.isdigit() and inode.isdigit()):
        return False
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (int(device), int(inode))


def encode(fields: Mapping[str, str]) -> bytes:
    """One entry. Values longer than MOST_BYTES are cut and say so."""
    parts = []
    for name, text in fields.items():
        value = _cut(text.encode("utf-8", "backslashreplace"))
        if b"\n" in value:
            parts.append(name.encode("ascii") + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        else:
            parts.append(name.encode("ascii") + b"=" + value + b"\n")
    return b"".join(parts)


class Journal:
    """A connectionless sender; safe to use from many threads and in signal handlers."""

    def __init__(self, path: Path = JOURNAL_SOCKET) -> None:
        self._path = str(path)
        self._lock = threading.RLock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sulk_until = float("-inf")

    def send(self, fields: Mapping[str, str]) -> Sent:
        """Hand one entry over. Never raises for a journal that is away or slow."""
        entry = encode(fields)
        with self._lock:
            try:
                self._send_patiently(entry)
            except (TimeoutError, BlockingIOError):
                return Sent.BUSY
            except OSError:
                return Sent.AWAY
            return Sent.TAKEN

    def _send_patiently(self, entry: bytes) -> None:
        # First without waiting, for a socket with a timeout polls before it sends, and the kernel calls a datagram
        # socket writable only while three quarters of its buffer are free.
        self._socket.settimeout(0)
        try:
            self._send(entry)
        except BlockingIOError:
            if time.monotonic() < self._sulk_until:
                raise
            self._socket.settimeout(PATIENCE.total_seconds())
            try:
                self._send(entry)
            except (TimeoutError, BlockingIOError):
                self._sulk_until = time.monotonic() + SULK.total_seconds()
                raise

    def close(self) -> None:
        self._socket.close()

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.sendto(entry, self._path)
        except OSError as error:
            # ENOBUFS means the same as EMSGSIZE here: the kernel has no buffer of that size
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_as_file(entry)

    def _send_as_file(self, entry: bytes) -> None:
        with os.fdopen(os.memfd_create("roundsman-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "wb") as file:
            file.write(entry)
            file.flush()
            # journald refuses a memory file that could still change under it
            fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, _SEALS)
            descriptors = array.array("i", [file.fileno()])
            self._socket.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)], 0, self._path)


def _cut(value: bytes) -> bytes:
    if len(value) <= MOST_BYTES:
        return value
    kept = value[:MOST_BYTES].decode("utf-8", "ignore").encode("utf-8")
    return kept + f"... (cut, {len(value) - len(kept)} bytes more)".encode()
