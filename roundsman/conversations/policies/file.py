"""The file of policies: TOML in, a book out, or one sentence with its line for everything that is wrong."""

import re
import tomllib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.calendar_section import ReadFile, read_calendar
from roundsman.conversations.policies.people_section import read_staff, read_team, refuse_shared_accounts
from roundsman.conversations.policies.policy import Policy, RecipientKind
from roundsman.conversations.policies.policy_section import Names, read_policy, refuse_unreachable
from roundsman.conversations.policies.section import Faults, Section, shown
from roundsman.conversations.policies.toml_lines import lines_of
from roundsman.errors import ConfigurationError

_NAME = re.compile(r"\w[\w .-]{0,59}")
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


def read_policies(
    text: str, file: str, *, otherwise: Policy, channels: Collection[str], read_file: ReadFile
) -> PolicyBook:
    """The book of a file. `channels` are those that are set up; `read_file` gives the text of an .ics file.

    Raises ConfigurationError with every fault.
    """
    try:
        content = tomllib.loads(text)
        faults = Faults(file, lines_of(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([_broken(text, file, str(error))]) from None
    except RecursionError:
        raise ConfigurationError([f"{file} is nested too deeply to be a file of policies."]) from None
    except ValueError:  # Python reads no more than 4,300 digits
        raise ConfigurationError([f"{file} holds a number with too many digits; write a shorter one."]) from None
    root = Section(faults, (), "", content)
    calendars = {key: read_calendar(section, key, read_file) for key, section in _named(root, "calendar").items()}
    people = _named(root, "staff")
    staff = {key: read_staff(section, key, calendars) for key, section in people.items()}
    refuse_shared_accounts(people, staff)
    for word in RecipientKind:
        if word in people:
            people[word].fault(None, f"the name {word} has a meaning of its own; choose another one")
    teams = {key: read_team(section, key, staff) for key, section in _named(root, "team").items()}
    sections = _policies(root)
    policies = [read_policy(section, Names(calendars, staff, teams, channels)) for section in sections]
    refuse_unreachable(sections, policies)
    root.refuse_unknown()
    found = faults.sentences()
    if found:
        raise ConfigurationError(found)
    return PolicyBook(
        otherwise,
        tuple(policy for policy in policies if policy is not None),
        MappingProxyType(calendars),
        MappingProxyType(staff),
        MappingProxyType(teams),
    )


def _named(root: Section, kind: str) -> dict[str, Section]:
    """The tables `[kind.NAME]`."""
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


def _policies(root: Section) -> list[Section]:
    root.knows("policy")
    tables: Any = root.values.get("policy", [])
    if not isinstance(tables, list) or not all(isinstance(each, Mapping) for each in tables):
        root.fault(None, f"policy is {shown(tables)}; begin each policy with [[policy]], in double brackets", "policy")
        return []
    return [Section(root.faults, ("policy", place), f"policy {place + 1}", each) for place, each in enumerate(tables)]


def _broken(text: str, file: str, reason: str) -> str:
    found = _AT_LINE.search(reason)
    line = int(found[1]) if found and found[1] else text.count("\n") + 1
    what = _AT_LINE.sub("", reason)
    return f"{file} line {line}: this is no TOML ({what[:1].lower()}{what[1:]}); correct the line or the one before it."
