"""What the sections of a file can name: the calendars and people of the same file, and the channels that are set up."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from roundsman.conversations.policies.section import Section, shown, suggestion
from roundsman.conversations.policies.staff import Staff, Team
from roundsman.conversations.shifts.calendar import ShiftCalendar


@dataclass(frozen=True)
class Names:
    """All of them."""

    calendars: Mapping[str, ShiftCalendar]
    staff: Mapping[str, Staff]
    teams: Mapping[str, Team]
    channels: Collection[str]
    """The channels that are set up."""

    def channels_in(self, section: Section, key: str) -> tuple[str, ...]:
        """The channels that a key lists, each once; one that is not set up is a fault."""
        found = []
        for path, name in section.entries(key):
            if name not in self.channels:
                advice = suggestion(name, self.channels).replace("; known are", "; those set up are")
                section.faults.add(path, f"{section.label}: {key}: no channel {shown(name)} is set up{advice}")
            found.append(name)
        return tuple(dict.fromkeys(found))
