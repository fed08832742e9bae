"""Whom the question "who waits too long?" does not concern, and how tags are compared."""

import unicodedata

COMMENT_TYPES = frozenset({"COMMENT", "COMMENT_LIVESTREAM", "LIVESTREAM", "POST", "RATING"})
"""A closed list: a type that nobody has heard of is treated as an inbox, so that its customers are not forgotten."""

EXCLUDED_TAGS = ("spam", "khách block")
"""The tags by which shops of the original system mark those they do not want to answer."""


def plain_letters(text: str) -> str:
    """Letters and digits only, without case and diacritics: `Khách-Block`, `khach  block` and `KHÁCH BLOCK` are one.

    Decomposed first, so that a letter with its accent and a letter followed by an accent become the same. The
    Vietnamese đ is a letter of its own in Unicode and is not decomposed.
    """
    folded = unicodedata.normalize("NFKD", text).casefold().replace("đ", "d")
    return "".join(char for char in unicodedata.normalize("NFKD", folded) if char.isalnum())
