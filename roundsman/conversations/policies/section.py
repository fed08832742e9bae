"""One table of the file while it is read: typed values out of it, and a sentence with its line for each fault."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from roundsman.conversations.policies.toml_lines import Path
from roundsman.scheduling.trigger import parse_duration

T = TypeVar("T")
_MOST_SHOWN = 60
_LONGEST = timedelta(days=366)
_LARGE = 10**15


class Faults:
    """All that is wrong with one file."""

    def __init__(self, file: str, lines: Mapping[Path, int]) -> None:
        self._file = file
        self._lines = lines
        self._found: list[tuple[int, str]] = []

    def add(self, path: Path, text: str) -> None:
        """Note a fault of the value at this path: the rest of a sentence, without its full stop."""
        line = self.line(path)
        self._found.append((line, f"{self._file} line {line}: {text}{'' if text.endswith('?') else '.'}"))

    def line(self, path: Path) -> int:
        """Where a value stands; that of the table around it when it has no line of its own."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def sentences(self) -> list[str]:
        """In the order of the file."""
        return [text for _, text in sorted(dict.fromkeys(self._found), key=lambda each: each[0])]


class Section:
    """A table with its place and what people call it, such as `policy "flower shops"`."""

    def __init__(self, faults: Faults, path: Path, label: str, values: Mapping[str, Any]) -> None:
        self.faults = faults
        self.path = path
        self.label = label
        self.values = values
        self._known: set[str] = set()

    def fault(self, key: str | None, reason: str, *further: str | int) -> None:
        """`shop.toml line 3: policy "x": first_response: is ...`. `further` leads on into the value."""
        path = (*self.path, *further) if key is None else (*self.path, key, *further)
        self.faults.add(path, ": ".join(part for part in (self.label, key, reason) if part))

    def knows(self, *keys: str) -> None:
        """Note keys that are read in another way."""
        self._known.update(keys)

    def refuse_unknown(self, advice: Callable[[str], str | None] = lambda key: None) -> None:
        """Note each key that nothing has asked for."""
        for key in self.values:
            if key not in self._known:
                said = advice(key) or suggestion(key, self._known)
                self.fault(None, f"{shown(key)} is no word for this place{said}", key)

    def text(self, key: str, *, required: bool = False) -> str | None:
        """A text that is not empty."""
        self._known.add(key)
        value = self.values.get(key)
        if value is None:
            if required:
                self.fault(None, f"{key} is missing")
            return None
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            self.fault(key, f"is {shown(value)}, which is no text; write one in quotes")
            return None
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; one alone may stand without brackets."""
        return tuple(text for _, text in self.entries(key) if isinstance(text, str))

    def entries(self, key: str, *, tables: bool = False) -> Iterator[tuple[Path, Any]]:
        """The elements of a list of texts, and of tables if they are allowed, each with its place."""
        self._known.add(key)
        value = self.values.get(key)
        if value is None:
            return
        kinds = "texts or tables" if tables else "texts"
        for place, each in enumerate(value) if isinstance(value, list) else [(-1, value)]:
            path = (*self.path, key) if place < 0 else (*self.path, key, place)
            if isinstance(each, str) and each.strip() and each.isprintable():
                yield path, each.strip()
            elif tables and not isinstance(each, bool | int | float | list | str):
                yield path, each
            else:
                self.faults.add(path, f"{self.label}: {key}: is {shown(each)}; a list of {kinds} in quotes is expected")

    def duration(self, key: str, *, required: bool = False) -> timedelta | None:
        """`10m`, `1h30m`."""
        self._known.add(key)
        value = self.values.get(key)
        if value is None:
            if required:
                self.fault(None, f"{key} is missing; write how long, such as 10m or 1h30m")
            return None
        try:
            found = parse_duration(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None:
            self.fault(key, f"is {shown(value)}, which is no duration; write 10m or 1h30m")
        elif not timedelta(0) < found <= _LONGEST:
            self.fault(key, f"is {shown(value)}; something above 0 and up to 366d is expected")
        else:
            return found
        return None

    def flag(self, key: str) -> bool:
        """true or false; false when it is not there."""
        self._known.add(key)
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            self.fault(key, f"is {shown(value)}; write true or false without quotes")
            return False
        return value

    def whole_number(self, key: str, *, at_least: int, up_to: int) -> int | None:
        """A number without quotes."""
        self._known.add(key)
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= up_to:
            self.fault(key, f"is {shown(value)}; a whole number from {at_least} to {up_to} is expected")
            return None
        return value

    def one_of(self, key: str, known: Mapping[str, T], kind: str) -> T | None:
        """What a name stands for."""
        name = self.text(key)
        if name is None:
            return None
        if name not in known:
            self.fault(key, f"there is no {kind} {shown(name)}{suggestion(name, known)}")
            return None
        return known[name]


def refuse_same_names(kind: str, sections: Iterable[Section]) -> None:
    """Note each name that comes twice among tables of a kind."""
    seen: dict[str, Section] = {}
    for section in sections:
        name = section.values.get("name")
        if isinstance(name, str) and name in seen:
            line = section.faults.line(seen[name].path)
            section.fault("name", f"the {kind} in line {line} is called so already; name one of the two anew")
        if isinstance(name, str):
            seen.setdefault(name, section)


def suggestion(name: str, known: Collection[str]) -> str:
    """The rest of a sentence about a name that nobody knows."""
    from difflib import get_close_matches

    nearest = get_close_matches(name, known, n=1, cutoff=0.6)
    if nearest:
        return f"; did you mean {nearest[0]}?"
    return f"; known are {', '.join(sorted(known))}" if known else "; none is known"


def shown(value: Any) -> str:
    """A value as it stands in the file, more or less, and cut."""
    if isinstance(value, str):
        text = '"' + "".join(char if char.isprintable() else repr(char)[1:-1] for char in value) + '"'
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list):
        text = "a list"
    elif isinstance(value, int):
        return str(value) if abs(value) < _LARGE else "a large number"  # Python writes no more than 4,300 digits
    else:
        text = str(value)
    return text if len(text) <= _MOST_SHOWN else f'{text[: _MOST_SHOWN - 3]}..."'
