"""What can go wrong with a request to Pancake, as a closed set: each kind has one way to go on."""

from enum import StrEnum


class Fault(StrEnum):
    """Kinds of failure."""

    TEMPORARY = "temporary"
    """Not reached, a server's error, or one of the refusals that pass: ask again, soon and then seldom."""
    RATE_LIMITED = "rate limited"
    """Asked too often: leave the page alone for a while. Pancake does not say how long."""
    TOKEN = "token"  # noqa: S105  the kind, not a token
    """Revoked, expired or without the right: a person must give another one."""
    GONE = "gone"
    """What was asked for is not there."""
    BROKEN = "broken"
    """An answer that cannot be what was meant: no JSON, cut off, something else, far too large."""


class PancakeError(Exception):
    """A request came to nothing. `reason` is a sentence for people, without secrets; no cause is kept, as the
    exceptions of HTTP libraries carry the URL and with it the token."""

    def __init__(self, fault: Fault, reason: str, *, refused: bool = False) -> None:
        self.fault = fault
        self.reason = reason
        self.refused = refused
        """Pancake itself answered and refused this very request, so that another one may well succeed."""
        super().__init__(reason)
