"""Matchers: which alerts a route, a silence or an inhibition is about. Pure.

`severity=high`, `kind!=job_failing`, `page_id=~shop-.*`, `team!~sales|support`. What a matcher looks at are the labels
of an alert, and beside them `kind`, `severity`, `subject`, `level`, `team` and `job`; a name that an alert does not
have is the empty text there, so that `team=` finds those of no team.

A value may stand in quotes, which keep the spaces at its ends; nothing is escaped within them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Self

from roundsman.alerts.rules.pattern import LONGEST_TEXT, compiled

LONGEST = 200
"""Characters of a name and its value together. A pattern is somebody's input, and matched against every alert."""

_FORM = re.compile(r" *([A-Za-z_][A-Za-z0-9_]*) *(=~|!~|!=|=)(.*)")
_QUOTED = re.compile(r'"(.*)"')


class Operator(StrEnum):
    """How the value of a name is compared."""

    IS = "="
    IS_NOT = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"

    @property
    def takes_pattern(self) -> bool:
        return self in (Operator.MATCHES, Operator.MATCHES_NOT)


@dataclass(frozen=True)
class Matcher:
    """One comparison."""

    name: str
    operator: Operator
    value: str
    """A text, or a pattern (see `pattern`) that has to match the whole value."""

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read `name=value` and its kin. Raises ValueError with the second half of a sentence."""
        if not written.isprintable():
            raise ValueError("holds characters that cannot be printed; write it anew")
        found = _FORM.fullmatch(written)
        if found is None:
            raise ValueError("is no matcher; write name=value, name!=value, name=~pattern or name!~pattern")
        name, operator, value = found[1], Operator(found[2]), found[3].strip(" ")
        quoted = _QUOTED.fullmatch(value)
        value = quoted[1] if quoted else value
        if len(name) + len(value) > LONGEST:
            raise ValueError(f"is longer than {LONGEST} characters; write several matchers")
        if operator.takes_pattern:
            compiled(value)
        return cls(name, operator, value)

    def covers(self, facts: Mapping[str, str]) -> bool:
        """Whether an alert with these facts is meant."""
        found = facts.get(self.name, "")
        match self.operator:
            case Operator.IS:
                return found == self.value
            case Operator.IS_NOT:
                return found != self.value
            case Operator.MATCHES:
                return self._fits(found)
            case Operator.MATCHES_NOT:
                return not self._fits(found)

    def __str__(self) -> str:
        """As `parse` reads it."""
        is_plain = self.value.strip(" ") == self.value and not _QUOTED.fullmatch(self.value)
        if is_plain and not (self.operator is Operator.IS and self.value.startswith("~")):
            return f"{self.name}{self.operator}{self.value}"
        return f'{self.name}{self.operator}"{self.value}"'

    def _fits(self, found: str) -> bool:
        return self._pattern.fullmatch(found[:LONGEST_TEXT]) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return compiled(self.value)


def cover(matchers: Iterable[Matcher], facts: Mapping[str, str]) -> bool:
    """Whether all of them mean an alert with these facts. None at all mean every alert."""
    return all(matcher.covers(facts) for matcher in matchers)


def contradiction(matchers: Iterable[Matcher]) -> tuple[Matcher, Matcher] | None:
    """Two of them that no alert can meet at once, such as `kind=a` and `kind=b`; only the plainest are found."""
    wanted: dict[str, Matcher] = {}
    for each in matchers:
        if each.operator is Operator.IS and wanted.setdefault(each.name, each).value != each.value:
            return wanted[each.name], each
    return None
