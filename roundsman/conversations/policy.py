"""What counts as late, and whom the question does not concern."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from roundsman.repositories.conversations import AnsweringClock, WatchedConversation

__all__ = ["COMMENT_TYPES", "EXCLUDED_TAGS", "AnsweringClock", "WaitingPolicy", "excluding_tag", "plain_letters"]

COMMENT_TYPES = frozenset({"COMMENT", "COMMENT_LIVESTREAM", "LIVESTREAM", "POST", "RATING"})
"""A closed list: a type that nobody has heard of is treated as an inbox, so that its customers are not forgotten."""

EXCLUDED_TAGS = ("spam", "khách block")
"""The tags by which shops of the original system mark those they do not want to answer."""


@dataclass(frozen=True)
class WaitingPolicy:
    """When a wait is too long. Three of the daemon's settings (CONVERSATION_...)."""

    clock: AnsweringClock = AnsweringClock.HUMAN
    threshold: timedelta = timedelta(minutes=15)
    comments: bool = False
    """Watch comments under posts as well."""

    def exclusion(self, watched: WatchedConversation) -> str | None:
        """Why the conversation is none of our business (a sentence for people), or None."""
        if not watched.page.is_synced:
            return f"The page {watched.page.name or watched.page.page_id} is not synced."
        if watched.conversation.type in COMMENT_TYPES and not self.comments:
            return f"Comments are not watched, and this is a {watched.conversation.type}."
        tag = excluding_tag(watched.conversation.tags)
        if tag is not None:
            return f"The tag {tag!r} excludes it."
        return None


def excluding_tag(tags: Iterable[str]) -> str | None:
    """The first of the tags that excludes a conversation, as the shop spelled it."""
    return next((tag for tag in tags if plain_letters(tag) in _EXCLUDED), None)


def plain_letters(text: str) -> str:
    """Letters and digits only, without case and diacritics: `Khách-Block`, `khach  block` and `KHÁCH BLOCK` are one.

    Decomposed first, so that a letter with its accent and a letter followed by an accent become the same. The
    Vietnamese đ is a letter of its own in Unicode and is not decomposed.
    """
    folded = unicodedata.normalize("NFKD", text).casefold().replace("đ", "d")
    return "".join(char for char in unicodedata.normalize("NFKD", folded) if char.isalnum())


_EXCLUDED = frozenset(map(plain_letters, EXCLUDED_TAGS))
