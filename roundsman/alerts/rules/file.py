"""The sections about alerts in the file of policies."""

from types import MappingProxyType

from roundsman.alerts.rules.inhibit_section import read_inhibitions
from roundsman.alerts.rules.route import Rules
from roundsman.alerts.rules.route_section import read_routes
from roundsman.conversations.policies.file import PolicyFile


def read_rules(file: PolicyFile) -> Rules:
    """The rules of a file, as far as they can be read."""
    hours = {key: staff.calendar for key, staff in file.names.staff.items() if staff.calendar is not None}
    return Rules(
        read_routes(file.sections("route"), file.names),
        read_inhibitions(file.sections("inhibit", "inhibition")),
        MappingProxyType(hours),
    )
