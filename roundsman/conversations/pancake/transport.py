"""One GET request to Pancake over requests, and what its answer means.

Tokens ride in the URL, as Pancake wants them. So nothing that requests or urllib3 says may get out: their exceptions
are reduced to their kind and dropped, urllib3's own log, which prints paths, is held at WARNING, and what Pancake says
is quoted without the token. Redirects are not followed: they would carry the token elsewhere.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from roundsman.answers import connection_words, read_all, status_words
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.redaction import Redactor

LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
"""Sixty conversations with a hundred hand-overs each come to less than 3 MiB."""
_CONNECTIONS = 16
_READ_BYTES = 64 * 1024
_LONGEST_QUOTE = 160

_TOKEN_WORDS = ("token", "expire", "log in", "login", "unauthori", "permission", "forbidden", "session")
_GONE_WORDS = ("not found", "not exist", "no longer exist", "deleted")
_RATE_WORDS = ("too many", "rate limit", "limit exceeded")
_TOKEN_CODES = frozenset({101, 102, 105})
"""Pancake's own codes, which come with HTTP 200. They are not documented; a message that says more goes before them."""


class Transport:
    """Connections to one Pancake. Safe to use from many threads."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")
        self._session = requests.Session()
        # Nothing is repeated here: the client does, at the page's pace
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=_CONNECTIONS, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for noisy in ("urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(noisy).setLevel(logging.WARNING)

    def __repr__(self) -> str:
        return "Transport()"

    def get(self, path: str, params: Mapping[str, str], secret: str, timeout: timedelta) -> Mapping[str, Any]:
        """The JSON object of the answer. `secret` is the token among the parameters. Raises PancakeError."""
        fault: PancakeError
        try:
            with self._session.get(
                self._base + path,
                params=params,
                timeout=timeout.total_seconds(),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = read_all(_parts(response.raw), timeout, LONGEST_ANSWER_BYTES + 1)
                return _judged(response.status_code, body, Redactor([secret]))
        except PancakeError as error:
            fault = error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            fault = PancakeError(Fault.TEMPORARY, f"Pancake was not reached: {_words(error)}.")
        fault.__context__ = fault.__cause__ = None
        raise fault  # out here, so that it carries no exception of requests along

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()


def _parts(raw: Any) -> Iterator[bytes]:
    """What has arrived, piece by piece: a larger read waits until all of it has dripped in."""
    return iter(lambda: raw.read1(_READ_BYTES, decode_content=True), b"")


def _judged(status: int, body: bytes, redact: Redactor) -> Mapping[str, Any]:
    """The answer of a request that Pancake granted. Raises PancakeError for all others."""
    if len(body) > LONGEST_ANSWER_BYTES:
        raise PancakeError(
            Fault.BROKEN, f"Pancake's answer is larger than {LONGEST_ANSWER_BYTES // 2**20} MiB.", refused=True
        )
    answer = _object(body)
    said = _said(answer, redact)
    if status == 200 and answer is not None and _is_granted(answer):
        return answer
    if status == 200 and answer is None:
        raise PancakeError(Fault.BROKEN, "Pancake's answer is no JSON object, or was cut off.", refused=True)
    if status == 200:
        raise PancakeError(_refusal(answer or {}), f"Pancake refused the request{said}.", refused=True)
    raise PancakeError(_status_fault(status), f"Pancake answered {status_words(status)}{said}.")


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _is_granted(answer: Mapping[str, Any]) -> bool:
    """Some answers that hold data say nothing of success."""
    return answer.get("success", True) is True and not answer.get("error_code")


def _refusal(answer: Mapping[str, Any]) -> Fault:
    """What a refusal means that comes with HTTP 200. What says nothing that is known passes: it heals on retry."""
    message = str(answer.get("message") or answer.get("error") or "").lower()
    code = answer.get("error_code")
    for words, fault in ((_RATE_WORDS, Fault.RATE_LIMITED), (_TOKEN_WORDS, Fault.TOKEN), (_GONE_WORDS, Fault.GONE)):
        if any(word in message for word in words):
            return fault
    return Fault.TOKEN if str(code).isdecimal() and int(str(code)) in _TOKEN_CODES else Fault.TEMPORARY


def _status_fault(status: int) -> Fault:
    if status in (401, 403):
        return Fault.TOKEN
    if status in (404, 410):
        return Fault.GONE
    return Fault.RATE_LIMITED if status == 429 else Fault.TEMPORARY


def _said(answer: Mapping[str, Any] | None, redact: Redactor) -> str:
    """What Pancake says of it, in one line; without the token, addresses, and control characters."""
    if answer is None or answer.get("success") is True:
        return ""
    message = answer.get("message") or answer.get("error")
    text = redact(message) if isinstance(message, str) else ""
    text = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(word for word in text.split() if "://" not in word)[:_LONGEST_QUOTE].rstrip(" .")
    code = answer.get("error_code")
    shown = f" (error {code})" if isinstance(code, int) else ""
    return f"{shown}: {text}" if text else shown


def _words(error: BaseException) -> str:
    """Requests wraps what happened several times; only the kinds are read."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return connection_words(TimeoutError())
    while isinstance(inner := next((arg for arg in error.args if isinstance(arg, BaseException)), None), BaseException):
        error = inner
    reason = getattr(error, "reason", None)
    error = reason if isinstance(reason, BaseException) else error
    if isinstance(error, urllib3.exceptions.IncompleteRead):
        return "the answer broke off"
    return connection_words(error)
