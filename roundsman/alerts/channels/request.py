"""One HTTP request of a channel, by the standard library: sent once, redirects not followed, the answer bounded.

Libraries that repeat a request after a lost connection would deliver a message twice, and those that follow redirects
would carry a token elsewhere. Exceptions of the library name the URL, which may hold a secret, so none gets out.
"""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException, HTTPResponse
from typing import Any

from roundsman.alerts.channels.base import DeliveryError, Fault
from roundsman.answers import connection_words, read_all, retry_after

UNREACHED = (OSError, HTTPException, ValueError)
"""URLError and timeouts are OSErrors; HTTPException: an answer that is not HTTP; ValueError: undecodable headers."""


@dataclass(frozen=True)
class Answer:
    """What a service answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    text: str

    def retry_after(self, now: datetime) -> timedelta | None:
        """How long the service wants to be left alone, if it said so."""
        named = (value for name, value in self.headers.items() if name.lower() == "retry-after")
        return retry_after(next(named, None), now)


def carry(request: urllib.request.Request, timeout: timedelta) -> Answer:
    """Send a request once. Raises one of UNREACHED."""
    opener = urllib.request.build_opener(_EveryAnswer)
    with opener.open(request, timeout=timeout.total_seconds()) as answer:
        text = read_all(iter(lambda: answer.read1(8192), b""), timeout).decode("utf-8", "replace")
        return Answer(answer.status, dict(answer.headers.items()), text)


def post_json(service: str, url: str, body: Mapping[str, Any], timeout: timedelta) -> Answer:
    """Post a JSON document. Raises DeliveryError, in the name of the service, when there is no answer."""
    data = json.dumps(body).encode()
    try:
        return carry(urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout)  # noqa: S310
    except UNREACHED as error:
        words = connection_words(error)
    raise DeliveryError(Fault.TEMPORARY, f"{service} was not reached: {words}")  # here it carries no exception along


class _EveryAnswer(urllib.request.HTTPErrorProcessor):
    """No exception for any status, hence no redirect either: channels judge the answer as it is."""

    def http_response(self, request: urllib.request.Request, response: HTTPResponse) -> HTTPResponse:
        return response

    https_response = http_response
