"""A signed POST to one URL, by the standard library.

`X-Roundsman-Signature` is `v1=` and the HMAC-SHA256, in hex, of `X-Roundsman-Timestamp` (Unix seconds), a dot, and the
body, with the secret as its key. A library that repeats requests, follows redirects or obeys the proxies of the
environment could carry a body where nobody looked, so this one does none of it (see `connection`).
"""

import hashlib
import hmac
import re
import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPException, HTTPResponse
from urllib.parse import quote, urlsplit

from roundsman import __version__
from roundsman.answers import connection_words
from roundsman.webhooks.connection import AddressRefusedError, CheckedConnection, Resolve, resolve

STEP_TIMEOUT = timedelta(seconds=10)
"""For connecting to one address, and for each read and write."""
LONGEST_CALL = timedelta(seconds=20)
"""For all of it, whatever the receiver does; only a name server may add to it."""

LONGEST_ANSWER_BYTES = 16 * 1024
"""The body of an answer means nothing to us. So much is read to keep the connection; with more it is closed."""

LONGEST_HEADER = 200

_LOST = (ConnectionError, HTTPException)


class UnreachedError(Exception):
    """There was no answer. The text is one clause for people, holds no secret, and carries no other error along."""


class SignedPosts:
    """Posts bodies to one URL. May be called from many threads: each call has a connection to itself."""

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        allow_private: bool,
        allowed_by: str,
        timeout: timedelta = STEP_TIMEOUT,
        limit: timedelta = LONGEST_CALL,
        find: Resolve = resolve,
    ) -> None:
        """`allowed_by` is the setting that allows private addresses, for those who meant one."""
        parts = urlsplit(url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._secret = secret.encode()
        self._allowed_by = allowed_by
        self._limit = limit
        self._path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{parts.query}" if parts.query else "")
        self._connect = partial(
            CheckedConnection,
            parts.hostname or "",
            parts.port or (443 if tls else 80),
            tls=tls,
            allow_private=allow_private,
            timeout=timeout,
            find=find,
        )
        self._idle: list[CheckedConnection] = []
        """As many as were ever used at a time; the last one first, so that the others may grow old."""

    def __repr__(self) -> str:
        return "SignedPosts()"

    def post(self, body: bytes, now: datetime, headers: Mapping[str, str] | None = None) -> HTTPResponse:
        """The answer, whatever its status; it is read already. Raises UnreachedError."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        timestamp = str(int(now.timestamp()))
        signed = {
            "Content-Type": "application/json",
            "User-Agent": f"roundsman/{__version__}",
            "X-Roundsman-Timestamp": timestamp,
            "X-Roundsman-Signature": f"v1={signature(self._secret, timestamp, body)}",
            **(headers or {}),
        }
        try:
            with connection.within(self._limit):
                return self._answer(connection, body, signed)
        except AddressRefusedError as error:
            connection.close()
            words = f"{error}; set {self._allowed_by}=on if that is meant"
        except (OSError, HTTPException, ValueError) as error:
            connection.close()
            words = connection_words(error)
        finally:
            self._idle.append(connection)
        raise UnreachedError(words)  # out here, as errors of the library may name the URL

    def close(self) -> None:
        """Let go of connections; a later post makes new ones."""
        for connection in self._idle:
            connection.close()

    def _answer(self, connection: CheckedConnection, body: bytes, headers: Mapping[str, str]) -> HTTPResponse:
        kept = connection.sock is not None
        if kept and connection.is_stale():
            connection.close()
            kept = False
        try:
            return self._exchange(connection, body, headers)
        except _LOST:
            if not kept:
                raise
        # It was closed in the very moment of its use. Receivers know repeats, so nothing is lost by asking again
        connection.close()
        return self._exchange(connection, body, headers)

    def _exchange(self, connection: CheckedConnection, body: bytes, headers: Mapping[str, str]) -> HTTPResponse:
        connection.request("POST", self._path, body, headers)
        answer = connection.getresponse()
        try:
            rest = len(answer.read(LONGEST_ANSWER_BYTES + 1)) > LONGEST_ANSWER_BYTES
        except (OSError, HTTPException, ValueError):
            rest = True  # the status is there, and it alone counts
        answer.close()
        if rest:
            connection.close()
        return answer


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The HMAC in hex, as the receiver computes it."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def header_safe(text: str) -> str:
    """Somebody else's text as the value of a header: whatever is not printable ASCII is percent-encoded."""
    cut = text[:LONGEST_HEADER]
    return re.sub(r"[^!-~]", lambda found: quote(found[0], safe="", errors="replace"), cut)
