"""The changes of one collection during a sweep: read ahead, and handed out as far as they concern few conversations.

Whoever derives a conversation reads all of it, so what was read ahead of it before is known.
"""

from collections import deque
from collections.abc import Collection
from datetime import datetime

from roundsman.conversations.mongo.changes import Change, ChangeFeed, Mark
from roundsman.conversations.mongo.memory import Memory


class ChangeStream:
    """One sweep of one collection."""

    def __init__(self, feed: ChangeFeed, memory: Memory, since: Mark, size: int) -> None:
        """`size`: how many are read at a time."""
        self.mark = since
        """Everything up to here was handed out and dealt with."""
        self._feed = feed
        self._memory = memory
        self._size = size
        self._ahead: deque[Change] = deque()
        self._read_up_to = since
        self._has_more = True
        self._derived_since: set[str] = set()
        self._taken: list[Change] = []

    def look_ahead(self, now: datetime) -> bool:
        """Read on if that is necessary; False at the end. Raises SourceError."""
        if not self._ahead and self._has_more:
            batch = self._feed.changed(self._read_up_to, now, self._size)
            self._has_more = len(batch) == self._size
            self._read_up_to = batch[-1].mark if batch else self._read_up_to
            self._ahead.extend(batch)
            self._derived_since.clear()
        return bool(self._ahead)

    def take(self, ids: set[str | None], most: int) -> list[Change]:
        """The next news of at most so many conversations; adds these to `ids`, which others may have begun."""
        news = []
        while self._ahead:
            change = self._ahead[0]
            if not self._is_known(change):
                if change.conversation_id not in ids and len(ids) >= most:
                    break
                ids.add(change.conversation_id)
                news.append(change)
            self._taken.append(self._ahead.popleft())
        return news

    @property
    def next_mark(self) -> Mark:
        """The mark when what was taken is dealt with."""
        return self._taken[-1].mark if self._taken else self.mark

    def derived(self, conversation_ids: Collection[str], read_at_ms: float) -> None:
        """What was taken is dealt with, and these conversations were read no earlier than at that time."""
        self.mark = self.next_mark
        self._memory.derived(self._taken, conversation_ids, read_at_ms)
        self._derived_since.update(conversation_ids)
        self._taken.clear()

    def _is_known(self, change: Change) -> bool:
        return change.conversation_id in self._derived_since or self._memory.knows(change)
