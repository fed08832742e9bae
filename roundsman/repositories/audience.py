"""Whom a piece of news is for: plain data, chosen by the job that reports it and stored with each message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Wording(StrEnum):
    """A language in which people are told."""

    ENGLISH = "en"
    VIETNAMESE = "vi"


@dataclass(frozen=True)
class Mention:
    """A person, or a group of people, whom a message calls by name."""

    name: str
    """What is shown wherever the service has no id for them."""
    slack_id: str | None = None
    """Of a user (`U...`, `W...`) or of a user group (`S...`)."""
    telegram_id: str | None = None
    """A number, or a user name."""
    key: str | None = field(default=None, compare=False)
    """What the file of policies calls one of the staff: names their own hours."""


@dataclass(frozen=True)
class Audience:
    """Who is to be told, where, and from how many at once by one message."""

    team: str | None = None
    channels: tuple[str, ...] = ()
    """Names of channels; none means all of them."""
    mentions: tuple[Mention, ...] = ()
    digest_from: int | None = None
    """So many alerts of the team on one channel and in one transaction become digests; None: never."""

    fallback: tuple[str, ...] = ()
    """Channels that take over, one after another, where one gives a message up for good."""
    language: Wording | None = None
    """None: ALERT_LANGUAGE."""
    template: str | None = None
    """The folder among the texts of one's own that says it; None: the texts for all."""

    def to_json(self) -> dict[str, Any] | None:
        """What a message keeps: not where it goes, which is decided once it exists. None for nobody in particular."""
        people = [
            {name: value for name, value in vars(each).items() if value is not None or name != "key"}
            for each in self.mentions
        ]
        language = self.language.value if self.language else None
        known = {"fallback": list(self.fallback), "language": language, "template": self.template}
        beside = {name: value for name, value in known.items() if value}
        if self.team is None and not people and not beside:
            return None
        return {"team": self.team, "mentions": people, **beside}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Self:
        found = value or {}
        language = found.get("language")
        return cls(
            found.get("team"),
            mentions=tuple(Mention(**each) for each in found.get("mentions", ())),
            fallback=tuple(found.get("fallback", ())),
            language=Wording(language) if language else None,
            template=found.get("template"),
        )


EVERYBODY = Audience()
"""Every channel, and nobody by name."""
