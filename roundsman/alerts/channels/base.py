"""What a channel is, and the three ways in which it may fail.

The sender decides by the kind of failure alone: try again, give this message up, or switch the channel off. So
each channel sorts every answer of its service into one of three, and says why in words that hold no secret.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol, Self

from roundsman.alerts.message import Message
from roundsman.alerts.rate import Rate

HTTP_TIMEOUT = timedelta(seconds=10)
"""For connecting, for each read, and for the body as a whole. What adds up beyond is ended by `alerts.attempt`."""


class Fault(StrEnum):
    """What a failed delivery means for what comes next."""

    TEMPORARY = "temporary"
    """Try again later."""
    REJECTED = "rejected"
    """This message will never be accepted; others may be."""
    CHANNEL = "channel"
    """Nothing will be accepted until somebody changes the settings: switch the channel off."""


class DeliveryError(Exception):
    """A message was not delivered. `reason` is one clause for people and never holds a secret."""

    def __init__(self, fault: Fault, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.fault = fault
        self.reason = reason
        self.retry_after = retry_after
        """How long the service wants to be left alone."""


class NotTriedError(DeliveryError):
    """Nothing was sent, so it is no try of this message."""


@dataclass(frozen=True)
class Receipt:
    """Proof of a delivery: `words` for people, `keys` for editing the message later."""

    words: str
    keys: Mapping[str, str] = field(default_factory=dict)
    all_copies_known: bool = False
    """The service was asked: no message of that id stands there but those in `keys`."""
    extra: int = 0
    """What this delivery cost of the channel's rates beyond one message."""

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words, "keys": dict(self.keys)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(str(value.get("words", "")), {str(name): str(key) for name, key in value.get("keys", {}).items()})


class Channel(Protocol):
    """Where messages go. Both methods raise DeliveryError and are called from one thread at a time."""

    @property
    def name(self) -> str:
        """Unique; what the store and the commands call it."""
        ...

    @property
    def identity(self) -> str:
        """Digest of its settings. A channel that was switched off is on again when this differs."""
        ...

    @property
    def rates(self) -> tuple[Rate, ...]:
        """How fast its service lets us write; empty for one that does not mind."""
        ...

    @property
    def can_edit(self) -> bool:
        """Whether an earlier message can be made to say something else. Where not, only the end is told, once."""
        ...

    def send(self, message: Message) -> Receipt:
        """Deliver a new message."""
        ...

    def edit(self, receipt: Receipt, message: Message) -> Receipt:
        """Make an earlier message say this instead; a channel that cannot edit sends a new one."""
        ...


def digest(*settings: str | None) -> str:
    """A short digest of settings, safe to store: their order counts, nothing can be read back."""
    return hashlib.sha256("\0".join(value or "" for value in settings).encode()).hexdigest()[:32]
