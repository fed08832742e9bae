"""Facts that a class declares and a setting may override: JOB_<NAME>_TIMEOUT, WORKFLOW_<NAME>_RATE.

Jobs and workflows are both found by name in an explicit tuple, and what is wrong with one is told in the same words.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from roundsman.scheduling.trigger import parse_duration

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_Class = TypeVar("_Class", bound=type)
_T = TypeVar("_T")


def where(declared: type) -> str:
    """A class as its author finds it."""
    return f"{declared.__module__}.{declared.__qualname__}"


def by_name(classes: Sequence[_Class], faults: list[str]) -> dict[str, _Class]:
    """The classes under their names; those without a proper one, or with that of another, are told in `faults`."""
    named: dict[str, _Class] = {}
    for each in classes:
        name = getattr(each, "name", None)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            faults.append(f"{where(each)}: name is {name!r}; give it lower-case letters, digits and underscores.")
        elif name in named:
            faults.append(f"{where(each)}: the name {name!r} is already taken by {where(named[name])}; rename one.")
        else:
            named[name] = each
    return named


def unknown(word: str, name: str, names: Collection[str]) -> str:
    """`there is no job 'clenup' (did you mean 'cleanup'?); the jobs are ...`: the second half of a sentence."""
    from difflib import get_close_matches

    nearest = get_close_matches(name, names, n=1)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    return f"there is no {word} {name!r}{hint}; the {word}s are {', '.join(sorted(names))}."


def of_nobody(word: str, overrides: Mapping[str, Mapping[str, str]], names: Collection[str]) -> Iterator[str]:
    """A sentence about the settings of each name that is not known."""
    for name in sorted(set(overrides) - set(names)):
        settings = ", ".join(_setting(word, name, fact) for fact in sorted(overrides[name]))
        yield f"{settings}: {unknown(word, name, names)}"


class FactReader:
    """Reads the facts of one class, each from its setting or else from the class, collecting faults."""

    def __init__(self, declared: Any, word: str, settings: Mapping[str, str], facts: Collection[str]) -> None:
        """`word` is what the class is, `facts` are those that a setting may override."""
        self.faults: list[str] = []
        self._declared = declared
        self._word = word
        self._settings = settings
        for fact in sorted(set(settings) - set(facts)):
            self.faults.append(f"{self.label(fact)}: no such fact; choose from {', '.join(sorted(facts))}.")

    def read(self, fact: str, reader: Callable[[Any], _T], default: _T, declared: object = None) -> _T:
        """What the reader makes of the setting, or of the class's own value if that is to be judged as well.

        The default is for both missing. The reader raises ValueError with what is wrong, without the full stop.
        """
        value = self._settings.get(fact, declared)
        if value is None:
            return default
        try:
            return reader(value)
        except ValueError as error:
            self.faults.append(f"{self.label(fact)}: {error}.")
            return default

    def label(self, fact: str) -> str:
        """Where the value comes from: the name of its setting, or the class."""
        if fact in self._settings:
            return _setting(self._word, self._declared.name, fact)
        return f"{where(self._declared)}: {fact}"


def _setting(word: str, name: str, fact: str) -> str:
    return f"{word}_{name}_{fact}".upper()


def positive_duration(text: str) -> timedelta:
    """As `parse_duration`, but something. Raises ValueError with the reason."""
    duration = parse_duration(text)
    if duration <= timedelta(0):
        raise ValueError(f"{text!r} is not longer than nothing")
    return duration
