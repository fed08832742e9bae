"""The lists of matchers and of labels in the file of policies."""

import re

from roundsman.alerts.rules.matcher import Matcher, Operator, contradiction
from roundsman.conversations.policies.section import Section, shown
from roundsman.repositories.alerts import Severity

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_matchers(section: Section, key: str) -> tuple[Matcher, ...] | None:
    """The matchers that a key lists, each once; None if one of them is a fault."""
    written = section.values.get(key, [])
    found: list[Matcher] = []
    for path, text in section.entries(key):
        try:
            matcher = Matcher.parse(text)
            _refuse_unknown_severity(matcher)
            found.append(matcher)
        except ValueError as error:
            section.faults.add(path, f"{section.label}: {key}: {shown(text)} {error}")
    if len(found) < (len(written) if isinstance(written, list) else 1):
        return None
    clash = contradiction(found)
    if clash is not None:
        section.fault(
            key, f"no alert has both {clash[0]} and {clash[1]}; keep one of them, or write =~ with a | between"
        )
        return None
    return tuple(dict.fromkeys(found))


def read_labels(section: Section, key: str) -> tuple[str, ...]:
    """The names that a key lists, each once. Which labels there are is the business of jobs, so any will do."""
    found = []
    for path, text in section.entries(key):
        if not _LABEL.fullmatch(text):
            section.faults.add(path, f"{section.label}: {key}: {shown(text)} is no name of a label, such as page_id")
        found.append(text)
    return tuple(dict.fromkeys(found))


def _refuse_unknown_severity(matcher: Matcher) -> None:
    """A slip of the pen here would make a route that is never in force, or always."""
    if matcher.name != "severity":
        return
    meant = [each for each in Severity if matcher.covers({"severity": each})]
    if not meant or (matcher.operator is Operator.IS_NOT and len(meant) == len(Severity)):
        raise ValueError(f"names no severity; known are {', '.join(Severity)}")
