"""What steps hand over, made fit to be kept: patches, events, times, and what errors say. Or refused with a sentence.

Steps are anybody's code. What they return or raise is looked at here once, so that nothing of it can stop the engine
later, in the middle of a commit that it shares with others.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from roundsman import logs
from roundsman.errors import RoundsmanError
from roundsman.fsm.workflow import Fail, Retry

LONGEST_ERROR = 500
"""Characters of an error that are kept; a whole page of somebody's HTML is no sentence."""
_LONGEST_READ = 20 * LONGEST_ERROR
"""Characters of it that are looked through for secrets."""

_encode = json.JSONEncoder(allow_nan=False).encode
_decode = json.JSONDecoder().decode

LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than anything; a time zone more and the year 9999 would be over, which nobody can read."""


def patch_of(patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """A patch as it will be stored. Raises Fail."""
    if not isinstance(patch, Mapping):
        raise Fail(f"its patch is {type(patch).__name__}, not a mapping")
    if not patch:
        return {}
    try:
        stored: Mapping[str, Any] = as_stored(patch)
    except (TypeError, ValueError, RecursionError) as error:
        raise Fail(f"its patch cannot be stored as JSON: {error}") from None
    return stored


def as_stored(value: Any) -> Any:
    """As the next process would read it: a copy that no step can change any more, its tuples lists, its keys texts.

    Raises TypeError, ValueError and RecursionError for what is no JSON.
    """
    return _decode(_encode(value))


def events_of(events: Any) -> list[str]:
    """The events that a run waits for. Raises Fail."""
    if not isinstance(events, tuple | list):
        raise Fail(f"waits for {events!r}; name the events as a tuple")
    return list(events)


def moment_of(until: Any) -> datetime:
    """The end of a wait, in UTC. Raises Fail."""
    if not isinstance(until, datetime):
        raise Fail(f"waits until {until!r}, which is no time")
    if until.tzinfo is None:
        raise Fail(f"waits until {until}, a time without a zone")
    try:
        return min(until.astimezone(UTC), LATEST)
    except OverflowError:
        raise Fail(f"waits until {until}, which is beyond all times in UTC") from None


def later(now: datetime, by: timedelta) -> datetime:
    """So much later, or as late as anything can be."""
    try:
        return min(now + by, LATEST)
    except OverflowError:
        return LATEST


def words_of(error: BaseException | None) -> str:
    """What an error says, fit to be kept."""
    try:
        text = str(error)[:_LONGEST_READ]
    except Exception:  # noqa: BLE001  even that is code of the workflow
        text = "it cannot say what it is"
    if not isinstance(error, Retry | Fail | RoundsmanError):
        text = f"{type(error).__name__}: {text}"
    return logs.redact(text)[:LONGEST_ERROR]
