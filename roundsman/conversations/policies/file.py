"""The file of policies: TOML in, a book out, or one sentence with its line for everything that is wrong.

Others have their sections in the same file. Whoever reads some notes what is wrong with them, and only when all have
read is it told, so that all faults of a file are told at once.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.calendar_section import ReadFile, read_calendar
from roundsman.conversations.policies.names import Names
from roundsman.conversations.policies.people_section import read_staff, read_team, refuse_shared_accounts
from roundsman.conversations.policies.policy import Policy, RecipientKind
from roundsman.conversations.policies.policy_section import read_policy, refuse_unreachable
from roundsman.conversations.policies.section import Faults, Section, shown
from roundsman.conversations.policies.staff import Staff, Team
from roundsman.conversations.policies.toml_lines import lines_of
from roundsman.conversations.shifts.calendar import ShiftCalendar
from roundsman.errors import ConfigurationError

_NAME = re.compile(r"\w[\w .-]{0,59}")
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


class PolicyFile:
    """A file that is being read: what its sections can name, and the sections themselves.

    `channels` are those that are set up; `read_file` gives the text of an .ics file. Raises ConfigurationError for
    what is no TOML; everything else is told by `refuse_faults`, when all have read their sections.
    """

    def __init__(self, text: str, name: str, *, channels: Collection[str], read_file: ReadFile) -> None:
        try:
            content = tomllib.loads(text)
            faults = Faults(name, lines_of(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError([_broken(text, name, str(error))]) from None
        except RecursionError:
            raise ConfigurationError([f"{name} is nested too deeply to be a file of policies."]) from None
        except ValueError:  # Python reads no more than 4,300 digits
            raise ConfigurationError([f"{name} holds a number with too many digits; write a shorter one."]) from None
        self._root = Section(faults, (), "", content)
        calendars = self._calendars(read_file)
        staff = self._staff(calendars)
        self.names = Names(calendars, staff, self._teams(staff), channels)

    def sections(self, kind: str, called: str | None = None) -> list[Section]:
        """The tables `[[kind]]`, and what people call one of them if that is another word."""
        called = called or kind
        self._root.knows(kind)
        tables: Any = self._root.values.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(each, Mapping) for each in tables):
            advice = f"begin each {called} with [[{kind}]], in double brackets"
            self._root.fault(None, f"{kind} is {shown(tables)}; {advice}", kind)
            return []
        return [
            Section(self._root.faults, (kind, place), f"{called} {place + 1}", each)
            for place, each in enumerate(tables)
        ]

    def refuse_faults(self) -> None:
        """Raises ConfigurationError with all that was wrong, and with each word that nobody has asked for."""
        self._root.refuse_unknown()
        found = self._root.faults.sentences()
        if found:
            raise ConfigurationError(found)

    def _calendars(self, read_file: ReadFile) -> Mapping[str, ShiftCalendar]:
        sections = self._named("calendar")
        return MappingProxyType({key: read_calendar(section, key, read_file) for key, section in sections.items()})

    def _staff(self, calendars: Mapping[str, ShiftCalendar]) -> Mapping[str, Staff]:
        sections = self._named("staff")
        staff = {key: read_staff(section, key, calendars) for key, section in sections.items()}
        refuse_shared_accounts(sections, staff)
        for word in RecipientKind:
            if word in sections:
                sections[word].fault(None, f"the name {word} has a meaning of its own; choose another one")
        return MappingProxyType(staff)

    def _teams(self, staff: Mapping[str, Staff]) -> Mapping[str, Team]:
        return MappingProxyType({key: read_team(section, key, staff) for key, section in self._named("team").items()})

    def _named(self, kind: str) -> dict[str, Section]:
        """The tables `[kind.NAME]`."""
        root = self._root
        root.knows(kind)
        tables: Any = root.values.get(kind, {})
        if not isinstance(tables, Mapping):
            root.fault(None, f"{kind} is {shown(tables)}; write [{kind}.NAME]", kind)
            return {}
        found = {}
        for key, values in tables.items():
            if not isinstance(values, Mapping):
                root.fault(None, f"{kind}: {key} is {shown(values)}; write [{kind}.NAME]", kind, key)
            elif not _NAME.fullmatch(key):
                root.fault(None, f"{kind}: {shown(key)} is no name; use letters, digits, - and _", kind, key)
            else:
                found[key] = Section(root.faults, (kind, key), f"{kind} {key}", values)
        return found


def read_policies(file: PolicyFile, otherwise: Policy) -> PolicyBook:
    """The book of a file, as far as it can be read."""
    sections = file.sections("policy")
    policies = [read_policy(section, file.names) for section in sections]
    refuse_unreachable(sections, policies)
    return PolicyBook(
        otherwise,
        tuple(policy for policy in policies if policy is not None),
        file.names.calendars,
        file.names.staff,
        file.names.teams,
    )


def _broken(text: str, file: str, reason: str) -> str:
    found = _AT_LINE.search(reason)
    line = int(found[1]) if found and found[1] else text.count("\n") + 1
    what = _AT_LINE.sub("", reason)
    return f"{file} line {line}: this is no TOML ({what[:1].lower()}{what[1:]}); correct the line or the one before it."
