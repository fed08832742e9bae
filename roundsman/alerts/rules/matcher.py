"""Matchers: which alerts a route, a silence or an inhibition is about. Pure.

`severity=high`, `kind!=job_failed`, `page_id=~shop-.*`, `team!~sales|support`. What a matcher looks at are the labels
of an alert, and beside them `kind`, `severity`, `subject`, `level`, `team` and `job`; a name that an alert does not
have is the empty text there, so that `team=` finds those of no team.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Self

LONGEST = 200
"""Characters of a matcher. A pattern is somebody's input, and matched against every alert."""

_FORM = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)(.*)", re.DOTALL)
_REPETITION_OF_GROUP = re.compile(r"[*+?}]\)[*+{]|\\[1-9]")


class Operator(StrEnum):
    """How the value of a name is compared."""

    IS = "="
    IS_NOT = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


@dataclass(frozen=True)
class Matcher:
    """One comparison."""

    name: str
    operator: Operator
    value: str
    """A text, or a pattern (Python's `re`) that has to match the whole value."""

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read `name=value` and its kin. Raises ValueError with the second half of a sentence."""
        found = _FORM.fullmatch(written)
        if found is None:
            raise ValueError("is no matcher; write name=value, name!=value, name=~pattern or name!~pattern")
        if len(written) > LONGEST:
            raise ValueError(f"is longer than {LONGEST} characters; write several matchers")
        name, operator, value = found[1], Operator(found[2]), found[3].strip().strip('"')
        if operator in (Operator.MATCHES, Operator.MATCHES_NOT):
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"holds a pattern that cannot be read ({error}); correct it") from None
            if _REPETITION_OF_GROUP.search(value):  # such a pattern can take hours on a text that nearly matches
                raise ValueError("repeats a group that repeats something, or has a back reference; write it plainer")
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
                return self._pattern.fullmatch(found) is not None
            case Operator.MATCHES_NOT:
                return self._pattern.fullmatch(found) is None

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{self.value}"

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.value)


def cover(matchers: Iterable[Matcher], facts: Mapping[str, str]) -> bool:
    """Whether all of them mean an alert with these facts. None at all mean every alert."""
    return all(matcher.covers(facts) for matcher in matchers)
