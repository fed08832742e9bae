"""What is said about an alert, before any channel gives it a form.

All of it is plain text: each channel escapes what is special to it. Names of customers come from outside, so every
text is held to one line without control characters here, once, for all channels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from roundsman.alerts.action import Action
from roundsman.repositories.alerts import Severity
from roundsman.repositories.audience import Mention
from roundsman.repositories.notifications import NotificationEvent

LONGEST_LINE = 500
"""Characters of one line; no name or fact is longer, and three lines stay below every channel's limit."""


@dataclass(frozen=True)
class Item:
    """One of the many things that a digest tells of."""

    text: str
    link: str | None = None


@dataclass(frozen=True)
class Answer:
    """Something that a reader can do about the message, for channels that have buttons and can hear of a press."""

    action: Action
    label: str
    notification: int
    """The row of the outbox to which the message belongs."""


def message_id(incident: str, event: NotificationEvent, level: int, copy: int = 0) -> str:
    """The `Message.id` of this news: the same whenever it is told, so that a message that is in doubt can be found by
    it. `copy`: another message about the same news is another one."""
    return f"{incident}-{event.value}-{level}" + (f"-{copy}" if copy else "")


class Known(NamedTuple):
    """A message that stands somewhere, by the keys of its receipt."""

    keys: Mapping[str, str]
    is_earlier: bool
    """It stood there before the message that may have been sent already was made."""


@dataclass(frozen=True)
class Message:
    """One message in one language."""

    title: str
    """The whole news in one line."""
    lines: tuple[str, ...]
    """Further facts, a line each."""
    severity: Severity
    event: NotificationEvent
    link: str | None = None
    """Where to act on it; http or https."""
    link_label: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Journal fields: upper-case names."""
    mentions: tuple[Mention, ...] = ()
    """Whom it calls: each channel by its own means, or by the plain name."""
    items: tuple[Item, ...] = ()
    """Of a digest: a line each, as many as the channel takes."""
    more: str = "+{count}"
    """What stands for the others, such as `and {count} more`."""
    incident: str = ""
    """Names what it is about: the same in all messages about one alert; empty for a test message."""
    answers: tuple[Answer, ...] = ()
    """What readers can do about it, in the order in which it is offered."""
    thread: Mapping[str, str] | None = None
    """The keys of the receipt of the first message about the same alert, for services that show both together."""
    sent_since: datetime | None = None
    """It may have been sent after this moment already, by a process that died. A channel that can look for it does."""
    in_place_of: str = ""
    """Then, of a change: the id of the message that it is to change, of which nobody knows whether it was sent."""
    tries_before: int = 0
    """Then: how many tries there were before, each of which may have arrived."""
    known: tuple[Known, ...] = ()
    """Then: what the store knows to stand there, on this channel and on others, the newest first."""
    id: str = ""
    """Names the message itself: the same when it is sent once more, for whoever wants to know a repeat."""

    @property
    def symbol(self) -> str:
        """One character that shows at a glance how bad it is, or that it is over."""
        return _EVENTS.get(self.event) or _SYMBOLS[self.severity]

    @property
    def plain(self) -> str:
        """The title and the link in one line, for terminals and fallback texts."""
        return f"{self.title} {self.link}" if self.link else self.title

    @property
    def names(self) -> str:
        """Whom it calls, by their plain names in one line; empty for nobody."""
        return ", ".join(each.name for each in self.mentions)

    def calls(self, form: Callable[[Mention], str], room: int) -> str:
        """Whom it calls in the given form, as many as fit into so many characters."""
        called = ""
        for each in map(form, self.mentions):
            if len(called) + len(each) + 1 > room:
                break
            called = f"{called} {each}".lstrip()
        return called

    def listing(self, form: Callable[[Item], str], room: int) -> str:
        """The items, a line each in the given form, as many as fit into so many characters, of which those outside the
        basic plane, such as emoji, count as two: services may count in UTF-16."""
        lines: list[str] = []
        used = 0
        for number, item in enumerate(self.items):
            line, left = form(item), len(self.items) - number
            rest = len(self.more.format(count=left)) + 1 if left > 1 else 0
            if used + (length := _units(line)) + 1 + rest > room:
                return "\n".join([*lines, self.more.format(count=left)])
            lines.append(line)
            used += length + 1
        return "\n".join(lines)


_EVENTS = {NotificationEvent.RESOLVED: "✅", NotificationEvent.WARNING: "⏳"}

_SYMBOLS = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
    Severity.INFO: "ℹ️",
}


def one_line(value: object, longest: int = LONGEST_LINE) -> str:
    """The text of a value on one line, without control and invisible formatting characters, cut to its length."""
    spaced = " ".join(str(value).split())
    clean = "".join(char for char in spaced if char.isprintable())
    return cut(clean, longest)


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2


def cut(value: str, longest: int) -> str:
    """At most `longest` characters, with an ellipsis when something is missing."""
    return value if len(value) <= longest else value[: longest - 1].rstrip() + "…"


def web_link(value: object) -> str | None:
    """The value if it is a web address without blanks or control characters, else None."""
    link = str(value) if value is not None else ""
    is_plain = link.isprintable() and not any(char.isspace() or char in "<>|\"'" for char in link)
    return link if is_plain and link.startswith(("https://", "http://")) and len(link) <= 2000 else None


def escaped(value: str, escape: Callable[[str], str], longest: int) -> str:
    """The escaped text, at most `longest` characters, cut before escaping so that no entity is cut in two."""
    text = escape(value)
    while len(text) > longest:
        value = cut(value, max(len(value) - max((len(text) - longest) // 6, 1), 1))  # `&quot;` is the longest entity
        text = escape(value)
    return text
