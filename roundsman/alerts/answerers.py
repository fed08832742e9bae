"""Who may answer alerts from chat: people by the numbers that the services know them by, and nobody else.

To be a member of the chat is not enough. Names that people give themselves there prove nothing, and a @name of Telegram
can pass to another person, so only ids count.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from roundsman.conversations.policies.staff import Staff
from roundsman.conversations.shifts.calendar import ShiftCalendar

_IDS = {"telegram": re.compile("[1-9][0-9]{0,19}"), "slack": re.compile("[UW][A-Z0-9]{2,20}")}


@dataclass(frozen=True)
class Answerer:
    """One person, by whatever service."""

    name: str
    calendar: ShiftCalendar | None = None
    """Their own hours, if they have some."""


@dataclass(frozen=True)
class Answerers:
    """Everybody who may answer, by service and id."""

    known: Mapping[tuple[str, str], Answerer] = field(default_factory=dict)

    @classmethod
    def of(cls, staff: Iterable[Staff], others: Mapping[tuple[str, str], str]) -> Self:
        """The staff, as far as they have ids, and others by their names. Who is in both is the one of the staff."""
        found = {place: Answerer(name) for place, name in others.items()}
        for each in staff:
            for service, name in (("telegram", each.telegram), ("slack", each.slack)):
                if name is not None and _IDS[service].fullmatch(name):
                    found[service, name] = Answerer(each.name, each.calendar)
        return cls(found)

    def find(self, service: str, user_id: str) -> Answerer | None:
        """The person with this id; None for a stranger."""
        return self.known.get((service, user_id))
