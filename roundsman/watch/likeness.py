"""Are two failures the same? Their text without what differs from time to time: numbers, ids, times. Pure."""

import re
from hashlib import sha256

_MOST_CHARACTERS = 300
"""The beginning says what it is; what follows is often the data that it happened with."""

_REPLACED = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z\b|[+-]\d\d:?\d\d\b))?"), "<time>"),
    (re.compile(r"\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<id>"),
    (re.compile(r"\?\S*"), ""),  # of an address: what was asked for
    (re.compile(r"[\w-]*\d[\w-]*\d[\w-]*\d[\w-]*"), "<id>"),  # a word with three digits or more
    (re.compile(r"\d+(\.\d+)*"), "#"),
)


def likeness(text: str) -> str:
    """The text of a failure, such that equal ones are most likely the same trouble."""
    words = text
    for pattern, replacement in _REPLACED:
        words = pattern.sub(replacement, words)
    return " ".join(words.split())[:_MOST_CHARACTERS].rstrip()


def fingerprint(text: str) -> str:
    """Twelve hexadecimal digits for all failures that are alike."""
    return sha256(likeness(text).encode()).hexdigest()[:12]
