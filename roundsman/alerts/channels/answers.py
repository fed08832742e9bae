"""What an answer means for a channel, and how to quote it without giving a secret away."""

import re
from collections.abc import Iterable
from http import HTTPStatus

from roundsman.alerts.channels.base import Fault
from roundsman.alerts.message import cut


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
