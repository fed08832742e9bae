"""How many messages people wrote in a time, and how long their answers took. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from roundsman.conversations.sender import ChatMessage, Sender
from roundsman.conversations.waiting import counts


@dataclass
class Answering:
    """One person's part of it."""

    name: str
    messages: int = 0
    waits: list[timedelta] = field(default_factory=list)
    """By the clock on the wall, one for each wait that the person ended."""

    @property
    def average(self) -> timedelta | None:
        return sum(self.waits, timedelta(0)) / len(self.waits) if self.waits else None


def answering(threads: Iterable[Iterable[ChatMessage]], start: datetime, end: datetime) -> list[Answering]:
    """Everybody who wrote for the page within [start, end), by name; bots are nobody, and end no wait."""
    found: dict[str, Answering] = {}
    for thread in threads:
        since: datetime | None = None
        for message in sorted(filter(counts, thread), key=lambda each: each.sent_at):
            if message.sender is Sender.CUSTOMER:
                since = since or message.sent_at
            if message.sender is not Sender.HUMAN:
                continue
            if start <= message.sent_at < end:
                name = message.sender_name or ""
                person = found.setdefault(name, Answering(name))
                person.messages += 1
                if since is not None:
                    person.waits.append(message.sent_at - since)
            since = None
    return [found[name] for name in sorted(found)]
