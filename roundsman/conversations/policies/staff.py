"""The people who answer customers, and the teams that they form."""

from dataclasses import dataclass

from roundsman.conversations.shifts.calendar import ShiftCalendar
from roundsman.repositories.audience import Mention


@dataclass(frozen=True)
class Staff:
    """One person."""

    key: str
    """What the file calls this person."""
    name: str
    pancake: tuple[str, ...] = ()
    """Ids of the person's accounts in Pancake."""
    slack: str | None = None
    """A member's id, for a mention."""
    telegram: str | None = None
    """A user's id or @name."""
    calendar: ShiftCalendar | None = None
    """None: the hours of the policy."""

    @property
    def mention(self) -> Mention:
        """How a message calls this person."""
        return Mention(self.name, self.slack, self.telegram, self.key)


@dataclass(frozen=True)
class Team:
    """Those who answer for each other."""

    key: str
    members: tuple[Staff, ...] = ()
    manager: Staff | None = None
    slack: str | None = None
    telegram: str | None = None
    digest_from: int | None = None
    """So many late at once become one message; None: never."""

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """How a message calls them: as the group that the services know, else one by one."""
        if self.slack is not None or self.telegram is not None:
            return (Mention(self.key, self.slack, self.telegram),)
        return tuple(member.mention for member in self.members)
