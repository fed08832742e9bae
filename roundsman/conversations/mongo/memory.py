"""What this process has already derived, so that the overlap of sweeps and long threads cost next to nothing.

It is a saving only: whatever is not remembered is derived once more, with the same result.
"""

from collections.abc import Collection, Sequence

from roundsman.conversations.mongo.changes import Change
from roundsman.conversations.mongo.checkpoint import OVERLAP

MOST = 100_000
"""Entries of each kind."""

SETTLED_MS = 2_000
"""A document may be written twice within its millisecond, so a change is not done with before it is so old."""

_OVERLAP_MS = OVERLAP.total_seconds() * 1000


class Memory:
    """Of one collection's changes, and of the conversations that were derived."""

    def __init__(self) -> None:
        self._changes: dict[str, float] = {}
        self._derived: dict[str, float] = {}

    def knows(self, change: Change) -> bool:
        """Whether it tells no more than was known when its conversation was derived last."""
        return self._changes.get(change.document) == change.at_ms or self._was_visible(change)

    def derived(self, changes: Sequence[Change], conversation_ids: Collection[str], read_at_ms: float) -> None:
        """These changes are dealt with; these conversations were read no earlier than at that time."""
        for each in changes:
            self._changes.pop(each.document, None)  # to the end: the oldest are forgotten first
            if each.at_ms < read_at_ms - SETTLED_MS:
                self._changes[each.document] = each.at_ms
        for name in conversation_ids:
            self._derived.pop(name, None)
            self._derived[name] = read_at_ms
        for kept in (self._changes, self._derived):
            for name in list(kept)[: max(0, len(kept) - MOST)]:
                del kept[name]

    def _was_visible(self, change: Change) -> bool:
        """Whether it was visible for sure when its conversation was read."""
        read_at_ms = self._derived.get(change.conversation_id or "")
        return read_at_ms is not None and change.at_ms < read_at_ms - _OVERLAP_MS
