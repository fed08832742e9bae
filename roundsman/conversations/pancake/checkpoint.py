"""Where the sync of a page stands between two of its steps: what a sync that was cut off goes on from.

A round lists what changed since the watermark, slice by slice from old to new: a conversation that moves meanwhile
moves into a slice that is still to come. What was read of the present slice is noted, and, beyond the round, of what
lies within the overlap, so that the next round need not read it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from roundsman.clock import iso

SETTLES_AFTER = timedelta(seconds=20)
"""A change that was first seen so long ago is whole: all its messages are told, and another one bears another time.
Pancake's times are sometimes whole seconds, and its messages may come later than the news of them."""


class Seen(NamedTuple):
    """A conversation of which the messages were read."""

    updated_at: datetime
    """As it was listed then."""
    first_seen: datetime | None
    """None once it is settled: read again after SETTLES_AFTER."""


@dataclass
class Round:
    """A round under way."""

    started: datetime
    """Before its first request: what is fresh when it is complete is as fresh as this."""
    since: datetime
    place: datetime
    """Slices before it are done."""
    done: dict[str, datetime] = field(default_factory=dict)
    """What was read of the slice at `place`."""


@dataclass
class Checkpoint:
    """All of it."""

    round: Round | None = None
    seen: dict[str, Seen] = field(default_factory=dict)
    known_until: datetime | None = None
    """The watermark of a page that was taken out of the settings and is back: its next round begins there, as whatever
    happened meanwhile is not here."""

    @property
    def begins_at(self) -> datetime | None:
        """From when on its round reads, or is to read; None: nothing was begun."""
        return self.known_until if self.round is None else self.round.since

    def is_done(self, conversation_id: str, updated_at: datetime | None) -> bool:
        """Whether this version need not be read in this round."""
        if updated_at is None:
            return False
        if self.round is not None and self.round.done.get(conversation_id) == updated_at:
            return True
        return self.seen.get(conversation_id) == Seen(updated_at, None)

    def note(self, conversation_id: str, updated_at: datetime, now: datetime) -> None:
        """Its messages are read, by requests that began at `now`."""
        before = self.seen.get(conversation_id)
        first = now
        if before is not None and before.updated_at == updated_at:
            first = before.first_seen or now - SETTLES_AFTER
        settled = now - first >= SETTLES_AFTER
        self.seen[conversation_id] = Seen(updated_at, None if settled else first)
        if self.round is not None:
            self.round.done[conversation_id] = updated_at

    def forget_before(self, moment: datetime) -> None:
        """No later round asks for what changed before this."""
        self.seen = {name: each for name, each in self.seen.items() if each.updated_at >= moment}

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        stored: dict[str, Any] = {
            "seen": {
                name: [iso(each.updated_at), iso(each.first_seen) if each.first_seen else None]
                for name, each in self.seen.items()
            }
        }
        if self.known_until is not None:
            stored["known_until"] = iso(self.known_until)
        if self.round is not None:
            stored["round"] = {
                "started": iso(self.round.started),
                "since": iso(self.round.since),
                "place": iso(self.round.place),
                "done": {name: iso(each) for name, each in self.round.done.items()},
            }
        return stored

    @classmethod
    def of_json(cls, stored: Mapping[str, Any] | None) -> Self:
        """As it was stored; an empty one, with which all is read again, for what cannot be understood."""
        try:
            found = stored or {}
            known_until = found.get("known_until")
            return cls(
                _round(found.get("round")),
                _seen(found.get("seen") or {}),
                datetime.fromisoformat(known_until) if known_until is not None else None,
            )
        except (TypeError, ValueError, KeyError, AttributeError):
            return cls()


def _round(stored: Any) -> Round | None:
    if stored is None:
        return None
    started, since, place = (datetime.fromisoformat(stored[name]) for name in ("started", "since", "place"))
    return Round(started, since, place, {name: datetime.fromisoformat(at) for name, at in stored["done"].items()})


def _seen(stored: Any) -> dict[str, Seen]:
    return {
        name: Seen(datetime.fromisoformat(at), datetime.fromisoformat(first) if first else None)
        for name, (at, first) in stored.items()
    }
