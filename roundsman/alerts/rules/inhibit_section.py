"""`[[inhibit]]`."""

from collections.abc import Sequence

from roundsman.alerts.rules.matcher import Matcher
from roundsman.alerts.rules.matcher_section import read_labels, read_matchers
from roundsman.alerts.rules.route import BUILT_IN, Inhibition
from roundsman.conversations.policies.section import Section, refuse_same_names, shown


def read_inhibitions(sections: Sequence[Section]) -> tuple[Inhibition, ...]:
    """All inhibitions, as far as they can be read; those that are always there come first."""
    found = [*BUILT_IN]
    for section in sections:
        inhibition = _inhibition(section)
        if inhibition is not None:
            _refuse_mutual(section, inhibition, found)
            found.append(inhibition)
    refuse_same_names("inhibition", sections)
    return tuple(found)


def _inhibition(section: Section) -> Inhibition | None:
    """One inhibition; None if nobody can say what mutes what."""
    name = section.text("name", required=True)
    if name is not None:
        section.label = f"inhibition {shown(name)}"
        if any(each.name == name for each in BUILT_IN):
            section.fault("name", "is the name of an inhibition that is always there; choose another one")
    source, target = _side(section, "source"), _side(section, "target")
    if source and target and set(source) == set(target):
        section.fault(None, "source and target are the same, so that alerts would mute each other; change one of them")
        source = None
    equal = read_labels(section, "equal")
    section.refuse_unknown()
    return Inhibition(name, source, target, equal) if name and source and target else None


def _side(section: Section, key: str) -> tuple[Matcher, ...] | None:
    matchers = read_matchers(section, key)
    if matchers == ():  # every alert would mute, or be muted
        section.fault(None, f'{key} is missing; write which alerts, such as ["kind=page_stale"]', key)
    return matchers


def _refuse_mutual(section: Section, inhibition: Inhibition, earlier: Sequence[Inhibition]) -> None:
    for each in earlier:
        if set(each.source) == set(inhibition.target) and set(each.target) == set(inhibition.source):
            section.fault(None, f"is the reverse of {shown(each.name)}, so that nobody would be told; keep one of them")
