"""Where a sync stands: on its first walk over all conversations, and in the changes of each collection.

A sweep reads all changes from a mark to the end. What is written while it passes may become visible behind it: a writer
takes the time before it writes, and the majority hears of it later still. So the next sweep begins a while before the
end of the last one, or before its beginning if that was earlier. A sweep that was cut off goes on exactly where it was,
or a daemon that is stopped often would read the same again and again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self

from roundsman.conversations.mongo.changes import AHEAD, Mark

OVERLAP = timedelta(minutes=5)
"""How late a write may become visible after the time that it bears."""

_OVERLAP_MS = OVERLAP / timedelta(milliseconds=1)
_AHEAD_MS = AHEAD / timedelta(milliseconds=1)


@dataclass(frozen=True)
class Sweep:
    """The changes of one collection."""

    start: Mark
    """What lies before was read for good."""
    at: Mark
    """How far the present sweep has come."""

    @classmethod
    def beginning(cls, at_ms: float) -> Self:
        return cls(Mark(at_ms), Mark(at_ms))

    def not_ahead_of(self, now_ms: float) -> "Sweep":
        """The same, or one from now on: by a clock that was ahead nothing of now would ever be new."""
        if max(self.at.at_ms, self.start.at_ms) <= now_ms + _AHEAD_MS:
            return self
        return Sweep.beginning(now_ms - _OVERLAP_MS)

    def ended(self, begun_ms: float) -> "Sweep":
        """The next sweep, when this one, begun at that time, has read everything."""
        if self.at == self.start:
            return self
        return Sweep.beginning(max(self.start.at_ms, min(self.at.at_ms, begun_ms) - _OVERLAP_MS))


@dataclass(frozen=True)
class Checkpoint:
    """The whole, as it lies in the store."""

    source: str
    """Which database and collections it is about."""
    begun_ms: float
    """When the present sweeps began."""
    sweeps: tuple[Sweep, Sweep]
    """Of conversations and of messages."""
    walk: str | None = None
    """The last conversation of the first walk; None when that is done."""

    @classmethod
    def first(cls, source: str, now_ms: float, newest: Iterable[float | None]) -> Self:
        """Walk over everything; what changes meanwhile comes afterwards."""
        starts = [min(now_ms, now_ms if each is None else each) - _OVERLAP_MS for each in newest]
        conversations, messages = starts
        return cls(source, now_ms, (Sweep.beginning(conversations), Sweep.beginning(messages)), walk="")

    def not_ahead_of(self, now_ms: float) -> "Checkpoint":
        """What of it holds by our clock, which may have been set back since."""
        conversations, messages = (each.not_ahead_of(now_ms) for each in self.sweeps)
        return replace(self, sweeps=(conversations, messages))

    def next_sweep(self, now_ms: float) -> "Checkpoint":
        """Both sweeps have read everything."""
        conversations, messages = (each.ended(self.begun_ms) for each in self.sweeps)
        return replace(self, begun_ms=now_ms, sweeps=(conversations, messages))

    @property
    def is_sweeping(self) -> bool:
        """Whether a sweep was cut off."""
        return any(each.at != each.start for each in self.sweeps)

    def as_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "begun": self.begun_ms,
            "sweeps": [[list(each.start), list(each.at)] for each in self.sweeps],
            "walk": self.walk,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        conversations, messages = (Sweep(Mark(*start), Mark(*at)) for start, at in stored["sweeps"])
        return cls(stored["source"], stored["begun"], (conversations, messages), stored["walk"])
