"""Slack's Web API by slack_sdk: one call, and what its answer means.

The SDK keeps building and signing requests, but we carry them: left to itself it repeats a request after a lost
connection (a second message), follows redirects with the token in the header, and logs the webhook's URL.
"""

import json
import logging
import re
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from roundsman.alerts.channels.answers import scrub, secret_parts, status_fault
from roundsman.alerts.channels.base import HTTP_TIMEOUT, DeliveryError, Fault
from roundsman.alerts.channels.request import UNREACHED, carry
from roundsman.answers import connection_words, retry_after, status_words
from roundsman.clock import Clock

API_URL = "https://slack.com/api/"

_FAULTS = {
    Fault.CHANNEL: """
        invalid_auth not_authed account_inactive token_revoked token_expired missing_scope not_allowed_token_type
        channel_not_found not_in_channel is_archived restricted_action ekm_access_denied access_denied no_permission
        org_login_required team_access_not_granted user_is_restricted two_factor_setup_required
        invalid_token no_service no_service_id no_team team_disabled no_active_hooks channel_is_archived
        action_prohibited posting_to_general_channel_denied""",
    Fault.REJECTED: """
        msg_too_long invalid_blocks invalid_blocks_format msg_blocks_too_long no_text invalid_payload
        too_many_attachments cannot_parse_attachment message_not_found cant_update_message edit_window_closed""",
    Fault.TEMPORARY: "ratelimited rate_limited",
}
FAULTS = {code: fault for fault, codes in _FAULTS.items() for code in codes.split()}
"""Error codes of chat.postMessage, chat.update and webhooks. An unknown one is judged by the HTTP status."""

NOT_ANSWERED = (*UNREACHED, SlackClientError)
"""What an attempt may raise instead of an answer."""

SILENT = logging.Logger("slack_sdk.silent", logging.CRITICAL + 1)
"""The SDK logs request URLs and bodies; it gets a logger that belongs to nobody and says nothing."""


class SlackApi:
    """Calls methods with one token."""

    def __init__(
        self, token: str, clock: Clock, *, api_url: str | None = None, timeout: timedelta = HTTP_TIMEOUT
    ) -> None:
        self._client = _Client(token, api_url or API_URL, timeout)
        self._clock = clock
        self._secrets = secret_parts(token)

    def __repr__(self) -> str:
        return "SlackApi()"

    def call(self, method: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer. Raises DeliveryError."""
        fault: DeliveryError | None = None
        try:
            answer = self._client.api_call(method, json=dict(body))
        except SlackApiError as error:
            answer = error.response
            code = str(answer.get("error", ""))
            fault = fault_of(answer.status_code, code, answer.headers, self._secrets, self._clock)
        except NOT_ANSWERED as error:
            fault = DeliveryError(Fault.TEMPORARY, f"Slack was not reached: {connection_words(error)}")
        if fault is not None:  # raised out here, so that it carries no exception of the SDK along
            raise fault
        return answer.data if isinstance(answer.data, dict) else {}


def escape(text: str) -> str:
    """The three characters that mean something to Slack's parser (Slack, "Formatting text": escaping)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fault_of(
    status: int, code: str, headers: Mapping[str, str], secrets: tuple[str, ...], clock: Clock
) -> DeliveryError:
    """What an answer that is no success means."""
    wait = retry_after(
        next((value for name, value in headers.items() if name.lower() == "retry-after"), None), clock.now()
    )
    code = code if re.fullmatch(r"[a-z][a-z_]{1,60}", code) else ""
    fault = FAULTS.get(code) or status_fault(status)
    if status == 429 or status >= 500:
        fault = Fault.TEMPORARY
    said = scrub(code, secrets) or ("an unreadable answer" if status < 300 else "no error code")
    return DeliveryError(fault, f"Slack answered {status_words(status)}: {said}", wait)


class _Client(WebClient):
    def __init__(self, token: str, api_url: str, timeout: timedelta) -> None:
        super().__init__(token, api_url, logger=SILENT, retry_handlers=[])
        self._patience = timeout

    def _perform_urllib_http_request_internal(self, url: str, req: urllib.request.Request) -> dict[str, Any]:
        answer = carry(req, self._patience)
        try:
            is_object = isinstance(json.loads(answer.text), dict)
        except (ValueError, RecursionError):
            is_object = False
        # an HTML page or a list would fail inside the SDK, which would hide the status from us
        return {"status": answer.status, "headers": answer.headers, "body": answer.text if is_object else "{}"}
