"""All conversations of a page that changed within a window of time, out of answers that say nothing of their end.

Pancake answers with sixty at most, and neither how many there are nor whether that was all. The id of the last one is
the cursor of the next answer, but conversations move while we read: the cursor itself may have jumped to the front. So
an answer that could be a full one and brings nothing new is not taken for the end; the window is halved instead.
"""

import logging
from collections.abc import Callable, Sequence
from enum import Enum, auto

from roundsman.conversations.document import id_or_none
from roundsman.conversations.pancake.client import Object, Window

log = logging.getLogger(__name__)

MAY_BE_MORE = 55
"""Answers with so many were seen to be cut at sixty before some were taken out of them."""
NARROWEST_S = 4
"""A narrower window cannot be halved: the halves share a second or two, as it is not told whether the ends belong."""

Ask = Callable[[Window, str | None], Sequence[Object]]


class _End(Enum):
    """Where following the cursor through a window has led to."""

    CERTAIN = auto()
    EMPTY = auto()
    """Nothing came behind an answer that may have been a full one."""
    AGAIN = auto()
    """The same conversations came again."""


def changed_within(window: Window, ask: Ask) -> list[Object]:
    """Each conversation once, as it was answered last. `ask` makes one request; what it raises passes through."""
    found: dict[str, Object] = {}
    windows = [window]
    while windows:
        each = windows.pop()
        end = _follow(each, ask, found)
        if end is _End.CERTAIN:
            continue
        if each.until - each.since >= NARROWEST_S:
            middle = (each.since + each.until) // 2
            windows += [Window(middle - 1, each.until), Window(each.since, middle)]
        elif end is _End.AGAIN:
            log.warning("More conversations changed within %d s than can be told apart", each.until - each.since)
    return list(found.values())


def _follow(window: Window, ask: Ask, found: dict[str, Object]) -> _End:
    in_window: set[str] = set()
    cursor: str | None = None
    last_count = 0
    while True:
        named = {name: each for each in ask(window, cursor) if (name := id_or_none(each, "id")) is not None}
        found.update(named)
        if not named.keys() - in_window:
            if max(len(named), last_count) < MAY_BE_MORE:
                return _End.CERTAIN
            return _End.AGAIN if named else _End.EMPTY
        if len(named) < MAY_BE_MORE:
            return _End.CERTAIN
        in_window |= named.keys()
        cursor, last_count = list(named)[-1], len(named)
