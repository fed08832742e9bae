"""What a channel is, and the three ways in which it may fail.

The sender decides by the kind of failure alone: try again, give this message up, or switch the channel off. So
each channel sorts every answer of its service into one of three, and says why in words that hold no secret.
"""

import hashlib
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Protocol, Self

from roundsman.alerts.message import Message, cut

HTTP_TIMEOUT = timedelta(seconds=10)
"""For connecting, for each read, and for the body as a whole. The lease of a claim is longer than all three."""
LONGEST_ANSWER_BYTES = 64 * 1024
"""No more of an answer is read: both services answer with a few hundred bytes."""


class Fault(StrEnum):
    """What a failed delivery means for what comes next."""

    TEMPORARY = "temporary"
    """Try again later."""
    REJECTED = "rejected"
    """This message will never be accepted; others may be."""
    CHANNEL = "channel"
    """Nothing will be accepted until somebody changes the settings: switch the channel off."""


class DeliveryError(Exception):
    """A message was not delivered. `reason` is one clause for people and never holds a secret."""

    def __init__(self, fault: Fault, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason
        self.retry_after = retry_after
        """How long the service wants to be left alone."""


@dataclass(frozen=True)
class Receipt:
    """Proof of a delivery: `words` for people, `keys` for editing the message later."""

    words: str
    keys: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words, "keys": dict(self.keys)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(str(value.get("words", "")), {str(name): str(key) for name, key in value.get("keys", {}).items()})


class Channel(Protocol):
    """Where messages go. Both methods raise DeliveryError and are called from one thread at a time."""

    @property
    def name(self) -> str:
        """Unique; what the store and the commands call it."""
        ...

    @property
    def identity(self) -> str:
        """Digest of its settings. A channel that was switched off is on again when this differs."""
        ...

    @property
    def min_interval(self) -> timedelta:
        """The least time between two messages that its service tolerates for long."""
        ...

    def send(self, message: Message) -> Receipt:
        """Deliver a new message."""
        ...

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        """Make an earlier message say this instead; a channel that cannot edit sends a new one."""
        ...


def digest(*settings: str | None) -> str:
    """A short digest of settings, safe to store: their order counts, nothing can be read back."""
    return hashlib.sha256("\0".join(value or "" for value in settings).encode()).hexdigest()[:32]


def secret_parts(*secrets: str | None) -> tuple[str, ...]:
    """The secrets and their telling parts, the longest first, for `scrub`: services quote parts of what they got."""
    whole = [secret for secret in secrets if secret]
    parts = [part for secret in whole for part in re.split(r"[/:]|-(?=[^-]*$)", secret) if len(part) >= 10]
    return tuple(sorted({*whole, *parts}, key=len, reverse=True))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """A foreign text as part of a reason: one line, cut, and without the secrets or anything that looks like a URL."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    clean = "".join(char if char.isprintable() else " " for char in text)
    return cut(" ".join(word for word in clean.split() if "://" not in word), 200)


def status_fault(status: int) -> Fault:
    """What an HTTP status means when the body says nothing better.

    An unknown status counts as temporary: trying again too often is a nuisance, giving up loses an alert.
    """
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return Fault.CHANNEL
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY):
        return Fault.REJECTED
    return Fault.TEMPORARY


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


def read_all(parts: Iterable[bytes], timeout: timedelta) -> bytes:
    """The first LONGEST_ANSWER_BYTES of an answer. Raises TimeoutError when they drip in for longer than `timeout`."""
    body = bytearray()
    deadline = time.monotonic() + timeout.total_seconds()
    for part in parts:
        body += part
        if len(body) >= LONGEST_ANSWER_BYTES:
            break
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body[:LONGEST_ANSWER_BYTES])


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
)
