"""Fields of outside documents, read by type: each reader gives the value, None for "not there", or one sentence.

MongoDB's extended JSON (`{"$oid": ...}`, `{"$numberLong": ...}`) is understood wherever a plain value is.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from roundsman.conversations.moment import parse_moment


class BrokenFieldError(Exception):
    """A field cannot be used. `reason` completes the sentence "FIELD ..."."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field} {reason}")


LONGEST_ID = 500
"""Characters. Real ones have 40; PostgreSQL refuses to index texts of more than 2700 bytes, and one such id would
otherwise stop the whole import."""
_EXACT = 2**53
"""Up to here a floating-point number tells every integer apart."""


def plain(value: Any) -> Any:
    """Unwrap one value of extended JSON; `$date` is left to `moment_of`."""
    if type(value) is dict and len(value) == 1:
        key, inner = next(iter(value.items()))
        if key == "$oid":
            return inner
        if key in ("$numberLong", "$numberInt", "$numberDouble", "$numberDecimal"):
            return _number(inner)
    return value


def _number(inner: Any) -> Any:
    """The number in a wrapper, which holds it as a text: "0" must not pass for something."""
    try:
        return int(inner) if isinstance(inner, str) and inner.lstrip("-").isdecimal() else float(inner)
    except (TypeError, ValueError, OverflowError):
        return inner


def object_of(document: Mapping[str, Any], name: str, path: str = "") -> Mapping[str, Any]:
    """A nested object; empty when absent. Raises BrokenFieldError."""
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BrokenFieldError(path + name, f"is not an object but {_kind(value)}")
    return value


def list_of(document: Mapping[str, Any], name: str, path: str = "") -> list[Any]:
    """A nested array; empty when absent. Raises BrokenFieldError."""
    value = document.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BrokenFieldError(path + name, f"is not an array but {_kind(value)}")
    return value


def id_of(document: Mapping[str, Any], name: str, path: str = "") -> str | None:
    """An identifier as text; numbers count, as some exporters write ids so. Raises BrokenFieldError."""
    value = document.get(name)
    if type(value) is dict:
        value = plain(value)
    if type(value) is float and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if type(value) is int:
        value = str(value)
    if value is None:
        return None
    if type(value) is not str:
        raise BrokenFieldError(path + name, f"is not a text but {_kind(value)}")
    if not value.isascii() or "\0" in value:
        value = storable(value)
    if len(value) > LONGEST_ID:
        raise BrokenFieldError(path + name, f"has {len(value)} characters, more than the {LONGEST_ID} allowed")
    return value.strip() or None


def id_or_none(document: Mapping[str, Any], name: str) -> str | None:
    """An identifier if there is a usable one."""
    try:
        return id_of(document, name)
    except BrokenFieldError:
        return None


def text_of(document: Mapping[str, Any], name: str, path: str = "") -> str | None:
    """A text for people; blank counts as absent. Raises BrokenFieldError."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BrokenFieldError(path + name, f"is not a text but {_kind(value)}")
    return storable(value).strip() or None


def label_of(document: Mapping[str, Any], name: str) -> str | None:
    """Somebody's name. Names decide nothing, so a strange one breaks nothing: it counts as absent."""
    value = document.get(name)
    return (storable(value).strip() or None) if isinstance(value, str) else None


def flag_of(document: Mapping[str, Any], name: str, path: str = "", *, default: bool = False) -> bool:
    """A yes or no, also as 0 or 1 or the words. Raises BrokenFieldError."""
    value = document.get(name)
    if value is None:
        return default
    if value is True or value is False:
        return value
    known = _FLAGS.get(str(plain(value)).strip().lower().removesuffix(".0"))
    if known is None:
        raise BrokenFieldError(path + name, f"is neither true nor false but {_kind(value)}")
    return known


def moment_of(document: Mapping[str, Any], name: str, path: str = "") -> datetime | None:
    """A time, in any of the forms of `parse_moment`. Raises BrokenFieldError."""
    value = document.get(name)
    if value is None:
        return None
    try:
        return parse_moment(value)
    except ValueError as error:
        raise BrokenFieldError(path + name, str(error)) from None


def is_filled(value: Any) -> bool:
    """Whether a field holds anything: null, blank, 0 and false are nothing."""
    if value is None:
        return False
    value = plain(value)
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def storable(text: str) -> str:
    """Without what a database refuses in a text: NUL, and halves of surrogate pairs that JSON can smuggle in."""
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


_FLAGS = {"true": True, "1": True, "false": False, "0": False, "": False}


def _kind(value: Any) -> str:
    """What a value is, without showing it: it may hold a token or a customer's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "an array" if isinstance(value, list) else "an object"
