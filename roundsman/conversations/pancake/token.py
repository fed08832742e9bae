"""Access tokens: texts that must not be seen, some of which tell when they expire."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime

LATEST_EXPIRY_S = 4_102_444_800
"""The year 2100; what lies beyond is no time."""


class Token:
    """A token. It shows as `***` wherever it is not asked for by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one call that sends it."""
        return self._text

    @property
    def expires_at(self) -> datetime | None:
        """When it expires by its own words. They are not verified: a warning needs no proof."""
        parts = self._text.split(".")
        if len(parts) != 3:  # not a JSON Web Token
            return None
        try:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (ValueError, RecursionError):
            return None
        expiry = claims.get("exp") if isinstance(claims, dict) else None
        if not isinstance(expiry, int | float) or isinstance(expiry, bool) or not 0 < expiry < LATEST_EXPIRY_S:
            return None
        return datetime.fromtimestamp(expiry, UTC)

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True)
class PageAccess:
    """A page that we may read."""

    page_id: str
    token: Token
