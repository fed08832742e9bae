"""The webhook of run events: one signed POST for each event, by the standard library.

    {"id": "42-17", "event": "run.completed", "run": 42, "workflow": "three_steps", "status": "completed", ...}

`id` is the same at every attempt, so a receiver that remembers ids does nothing twice. `X-Roundsman-Signature` is
`v1=` and the HMAC-SHA256, in hex, of `X-Roundsman-Timestamp` (Unix seconds), a dot, and the body, with the secret as
its key. A library that repeats requests, follows redirects or obeys the proxies of the environment could carry an
event where nobody looked, so this one does none of it (see `connection`).
"""

import hashlib
import hmac
import json
import re
import ssl
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from urllib.parse import quote, urlsplit

from roundsman import __version__
from roundsman.answers import connection_words, retry_after, status_words
from roundsman.clock import Clock, iso
from roundsman.logs import redact
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.runs.sinks.base import SinkError, SinkFault
from roundsman.runs.sinks.connection import AddressRefusedError, CheckedConnection, Resolve, resolve

STEP_TIMEOUT = timedelta(seconds=10)
"""For connecting to one address, and for each read and write."""
LONGEST_CALL = timedelta(seconds=20)
"""For all of it, whatever the receiver does; only a name server may add to it."""

LONGEST_ANSWER_BYTES = 16 * 1024
"""The body of an answer means nothing to us. So much is read to keep the connection; with more it is closed."""

LONGEST_CORRELATION_ID = 200

REJECTIONS = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.GONE,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""What a receiver says of this very event. Anything else may be mended at one of the two ends: it is tried again."""

_LOST = (ConnectionError, HTTPException)


class WebhookSink:
    """Posts events to one URL."""

    name = "webhook"
    most = 1
    at_once = 8
    """So a receiver that takes a tenth of a second gets 80 events a second, and no crowd at its door."""

    def __init__(
        self,
        clock: Clock,
        url: str,
        secret: str,
        *,
        allow_private: bool = False,
        timeout: timedelta = STEP_TIMEOUT,
        limit: timedelta = LONGEST_CALL,
        find: Resolve = resolve,
    ) -> None:
        parts = urlsplit(url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._clock = clock
        self._secret = secret.encode()
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
        return "WebhookSink()"

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            for event in events:
                fault = self._post(connection, event)
                if fault is not None:
                    raise fault
        finally:
            self._idle.append(connection)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()

    def _post(self, connection: CheckedConnection, event: OutgoingEvent) -> SinkError | None:
        """Errors of the library are not raised on, and no other error carries them along: they may name the URL."""
        body = body_of(event)
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"roundsman/{__version__}",
            "X-Roundsman-Timestamp": timestamp,
            "X-Roundsman-Signature": f"v1={signature(self._secret, timestamp, body)}",
            "X-Correlation-Id": header_safe(str(event.payload.get("correlation_id", ""))),
        }
        try:
            with connection.within(self._limit):
                return self._judged(self._answer(connection, body, headers))
        except AddressRefusedError as error:
            connection.close()
            words = f"{error}; set RUN_EVENTS_ALLOW_PRIVATE=on if that is meant"
        except (OSError, HTTPException, ValueError) as error:
            connection.close()
            words = connection_words(error)
        return SinkError(SinkFault.TEMPORARY, f"it was not reached: {words}")

    def _answer(self, connection: CheckedConnection, body: bytes, headers: dict[str, str]) -> HTTPResponse:
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

    def _exchange(self, connection: CheckedConnection, body: bytes, headers: dict[str, str]) -> HTTPResponse:
        connection.request("POST", self._path, body, headers)
        answer = connection.getresponse()
        try:
            rest = len(answer.read(LONGEST_ANSWER_BYTES + 1)) > LONGEST_ANSWER_BYTES
        except (OSError, HTTPException):
            rest = True  # the status is there, and it alone counts
        answer.close()
        if rest:
            connection.close()
        return answer

    def _judged(self, answer: HTTPResponse) -> SinkError | None:
        if 200 <= answer.status < 300:
            return None
        fault = SinkFault.REJECTED if answer.status in REJECTIONS else SinkFault.TEMPORARY
        wait = retry_after(answer.getheader("Retry-After"), self._clock.now())
        return SinkError(fault, f"it answered {status_words(answer.status)}", wait)


def body_of(event: OutgoingEvent) -> bytes:
    """What is posted, the same at every attempt."""
    told = {"id": event.key, "event": event.event, **event.payload, "at": iso(event.created_at)}
    if isinstance(error := told.get("error"), str):
        told["error"] = redact(error)  # a step's exception may quote what it was given
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The HMAC in hex, as the receiver computes it."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def header_safe(text: str) -> str:
    """Somebody else's text as the value of a header: whatever is not printable ASCII is percent-encoded."""
    cut = text[:LONGEST_CORRELATION_ID]
    return re.sub(r"[^!-~]", lambda found: quote(found[0], safe="", errors="replace"), cut)
