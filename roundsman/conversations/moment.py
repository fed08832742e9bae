"""Times as FolkForm and Pancake write them, turned into aware UTC once, at the edge.

They come as Unix seconds, Unix milliseconds, naive ISO texts (which mean UTC) and MongoDB's extended JSON. The
program that this one replaces compared milliseconds with seconds, so that no wait was ever long enough.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

EARLIEST = datetime(2004, 1, 1, tzinfo=UTC)
"""The year Facebook began; an earlier message is a broken time."""
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
MILLISECONDS_FROM = 1e11
"""A smaller number means seconds (1e11 s is the year 5138), a larger one milliseconds (1e11 ms is 1973)."""
LARGEST = 1e16
"""Beyond any time that we take, and small enough for exact arithmetic."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GO_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_UNSET_NUMBERS = frozenset({0, -62135596800, -62135596800000})
"""What Go writes for a time that was never set: 0, or the year 1 in seconds or milliseconds."""


def parse_moment(value: Any) -> datetime | None:
    """The time that a field means; None when it is absent, empty or never set.

    Raises ValueError with a reason that completes the sentence "the field ...".
    """
    if value is None or value == "":
        return None
    if isinstance(value, dict):
        return _from_extended(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"is {_shown(value)}, which is no time")
    if isinstance(value, str):
        return _from_text(value)
    return _from_number(value, value)


def _from_extended(value: dict[str, Any]) -> datetime | None:
    if "$date" in value:
        inner = value["$date"]
        if isinstance(inner, dict):
            inner = inner.get("$numberLong", inner)
        if isinstance(inner, str) and not _is_number(inner):
            return _from_text(inner)
        # A $date's number is milliseconds by definition, also in the first years after 1970.
        return _from_number(_number(inner, value), value, milliseconds=True)
    for key in ("$numberLong", "$numberInt", "$numberDouble", "$numberDecimal"):
        if key in value:
            return _from_number(_number(value[key], value), value)
    raise ValueError(f"is {_shown(value)}, which is no time")


def _from_text(text: str) -> datetime | None:
    text = text.strip()
    if text[4:5] != "-" and _is_number(text):
        return _from_number(_number(text, text), text)
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"is {_shown(text)}, which is no time; Unix seconds, milliseconds or ISO 8601 are expected"
        ) from None
    return None if moment == _GO_ZERO else _plausible(moment, text)


def _from_number(number: float, shown: Any, *, milliseconds: bool = False) -> datetime | None:
    if number in _UNSET_NUMBERS:
        return None
    if not -LARGEST <= number <= LARGEST:  # also false for NaN
        raise ValueError(f"is {_shown(shown)}, which is no time")
    if milliseconds or abs(number) >= MILLISECONDS_FROM:
        number /= 1000
    try:
        # Not fromtimestamp: that rounds to the nearest even microsecond, and refuses negative numbers on some systems.
        return _plausible(_EPOCH + timedelta(seconds=number), shown)
    except OverflowError:
        raise ValueError(f"is {_shown(shown)}, which is not between 2004 and 2100") from None


def _plausible(moment: datetime, shown: Any) -> datetime:
    if EARLIEST <= moment < LATEST:
        return moment
    raise ValueError(f"is {_shown(shown)}, which is not between 2004 and 2100")


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdecimal() and text.isascii()


def _number(value: Any, shown: Any) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"is {_shown(shown)}, which is no time") from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
