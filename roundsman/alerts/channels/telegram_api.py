"""Telegram's Bot API over requests: one call, and what its answer means. The only importer of requests here.

The bot's token rides in the path of every URL, so nothing that requests or urllib3 says about a request may get
out: their exceptions are reduced to their kind, and urllib3's own log, which prints the path, is held at WARNING.
"""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import requests
import urllib3

from roundsman.alerts.channels.answers import scrub, secret_parts, status_fault
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Fault
from roundsman.answers import LONGEST_ANSWER_BYTES, connection_words, read_all, retry_after, status_words
from roundsman.clock import Clock

API_URL = "https://api.telegram.org"

CHANNEL_CLOSED = (
    "chat not found",
    "thread not found",
    "topic_closed",
    "topic_deleted",
    "upgraded to a supergroup",
    "not enough rights",
    "have no rights",
    "need administrator rights",
    "chat_write_forbidden",
    "chat_restricted",
    "peer_id_invalid",
    "user is deactivated",
)
"""Fragments of descriptions that arrive with status 400 and yet will not go away by themselves."""


class TelegramApi:
    """Calls the methods of one bot."""

    def __init__(
        self,
        bot_token: str,
        clock: Clock,
        *,
        api_url: str | None = None,
        timeout: timedelta = HTTP_TIMEOUT,
        chat: str = "",
    ) -> None:
        """`chat`: the one that an answer may be about."""
        self._clock = clock
        self._timeout = timeout
        self._chat = chat
        self._secrets = secret_parts(bot_token)
        self._base = f"{(api_url or API_URL).rstrip('/')}/bot{bot_token}/"
        for noisy in ("urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(noisy).setLevel(logging.WARNING)

    def __repr__(self) -> str:
        return "TelegramApi()"

    def call(
        self,
        method: str,
        body: Mapping[str, Any],
        *,
        longer: timedelta = timedelta(0),
        longest: int = LONGEST_ANSWER_BYTES,
    ) -> Any:
        """The `result` of an answer. Raises DeliveryError. `longer`: how long the service lets us wait on purpose."""
        fault: DeliveryError | None = None
        try:
            with requests.post(
                self._base + method,
                json=body,
                timeout=(self._timeout + longer).total_seconds(),
                allow_redirects=False,
                stream=True,
            ) as response:
                # as much as there is: a read of a fixed size would wait until all of it has dripped in
                parts = iter(lambda: response.raw.read1(8192, decode_content=True), b"")
                answer = _parsed(read_all(parts, self._timeout, longest))
                if response.status_code == 200 and answer.get("ok") is True:
                    return answer.get("result")
                fault = self._fault(response.status_code, answer, response.headers)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            fault = DeliveryError(Fault.TEMPORARY, f"Telegram was not reached: {_words(error)}")
        raise fault  # out here, so that it carries no exception of requests along

    def _fault(self, status: int, answer: Mapping[str, Any], headers: Mapping[str, str]) -> DeliveryError:
        code = answer.get("error_code")
        status = code if status == 200 and isinstance(code, int) else status
        found = answer.get("parameters")
        parameters: Mapping[str, Any] = found if isinstance(found, dict) else {}
        said = scrub(str(answer.get("description", "")), self._secrets)
        fault = status_fault(status)
        if status == 400 and any(fragment in said.lower() for fragment in CHANNEL_CLOSED):
            fault = Fault.CHANNEL
        if isinstance(moved := parameters.get("migrate_to_chat_id"), int):
            fault, said = Fault.CHANNEL, f"the group has a new chat id, {moved}; put it in place of {self._chat}"
        asked = str(parameters["retry_after"]) if "retry_after" in parameters else headers.get("Retry-After")
        wait = retry_after(asked, self._clock.now())
        return DeliveryError(fault, f"Telegram answered {status_words(status)}: {said or 'an unreadable answer'}", wait)


def _parsed(body: bytes) -> Mapping[str, Any]:
    """The answer's JSON object; an empty one for anything else."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _words(error: BaseException) -> str:
    """Requests wraps what happened several times; only the kinds are read."""
    if isinstance(error, requests.Timeout):
        return connection_words(TimeoutError())
    while isinstance(inner := next((arg for arg in error.args if isinstance(arg, BaseException)), None), BaseException):
        error = inner
    reason = getattr(error, "reason", None)
    return connection_words(reason if isinstance(reason, BaseException) else error)
