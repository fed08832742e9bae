"""The webhook of run events: one signed POST for each event, by the standard library.

    {"id": "42-17", "event": "run.completed", "run": 42, "workflow": "three_steps", "status": "completed", ...}

`id` is the same at every attempt, so a receiver that remembers ids does nothing twice. How it is signed, and where it
may lead, is in `roundsman.webhooks`.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPResponse

from roundsman.answers import retry_after, status_words
from roundsman.clock import Clock, iso
from roundsman.logs import redact
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.runs.sinks.base import SinkError, SinkFault
from roundsman.webhooks.connection import Resolve, resolve
from roundsman.webhooks.post import LONGEST_CALL, STEP_TIMEOUT, SignedPosts, UnreachedError, header_safe

REJECTIONS = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.GONE,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""What a receiver says of this very event. Anything else may be mended at one of the two ends: it is tried again."""


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
        self._clock = clock
        self._posts = SignedPosts(
            url,
            secret,
            allow_private=allow_private,
            allowed_by="RUN_EVENTS_ALLOW_PRIVATE",
            timeout=timeout,
            limit=limit,
            find=find,
        )

    def __repr__(self) -> str:
        return "WebhookSink()"

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        for event in events:
            fault = self._post(event)
            if fault is not None:
                raise fault

    def close(self) -> None:
        self._posts.close()

    def _post(self, event: OutgoingEvent) -> SinkError | None:
        headers = {"X-Correlation-Id": header_safe(str(event.payload.get("correlation_id", "")))}
        try:
            return self._judged(self._posts.post(body_of(event), self._clock.now(), headers))
        except UnreachedError as error:
            return SinkError(SinkFault.TEMPORARY, f"it was not reached: {error}")

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
