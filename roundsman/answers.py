"""What an answer over HTTP means, or the lack of one, in words that give no secret away.

For whatever talks to services: the channels of alerts and the webhook of run events. Imported by those alone, as a
daemon that only writes to the console needs neither sockets nor TLS.
"""

import re
import socket
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPException

LONGEST_ANSWER_BYTES = 64 * 1024
"""No more of an answer is read: services answer with a few hundred bytes."""


def status_words(status: int) -> str:
    """`HTTP 503 Service Unavailable`; a redirect says that it is not followed."""
    try:
        words = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = f"HTTP {status}"
    return f"{words} (redirects are not followed)" if 300 <= status < 400 else words


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """The Retry-After header (RFC 9110, 10.2.3): seconds or an HTTP date; None when absent or unreadable."""
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):  # Slack documents whole seconds; fractions have been seen elsewhere
        return timedelta(seconds=float(value))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(moment - now, timedelta(0))


def read_all(parts: Iterable[bytes], timeout: timedelta, longest: int = LONGEST_ANSWER_BYTES) -> bytes:
    """The first `longest` bytes of an answer. Raises TimeoutError when they drip in for longer than `timeout`."""
    body = bytearray()
    deadline = time.monotonic() + timeout.total_seconds()
    for part in parts:
        body += part
        if len(body) >= longest:
            break
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body[:longest])


def connection_words(error: BaseException) -> str:
    """Why there was no answer, from the type of the failure alone: its text may hold the URL."""
    chain: list[BaseException] = []
    while len(chain) < 5:
        chain.append(error)
        inner = getattr(error, "reason", None)
        following = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
        if following is None:
            break
        error = following
    for kind, words in _CONNECTION_WORDS:
        if any(isinstance(link, kind) for link in chain):
            return words
    return type(chain[0]).__name__


_CONNECTION_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "no answer in time"),
    (socket.gaierror, "its host name is unknown here; check the name service"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    (ssl.SSLError, "no TLS connection"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "connection reset"),
    (BrokenPipeError, "connection reset"),
    (HTTPException, "what answers there does not speak HTTP"),
)
