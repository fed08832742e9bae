"""An export file as a stream of documents, whatever its outer form.

    {"fb_pages": [...], "fb_conversations": [...]}        one object of collections
    [{...}, {...}]                                        an array
    {...}\\n{...}                                          JSON lines; pretty-printed ones as well

Python's parser wants a whole text and builds the whole tree, five times the size of the file. This reader feeds it
one document at a time from a window of the file, so that memory follows the largest document.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from roundsman.errors import BadInputError

WINDOW_CHARACTERS = 1 << 20
_BLANK = re.compile(r"[ \t\r\n]*")
_EXPORT = re.compile(r'\{\s*"fb_')
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Item:
    """One value of the feed. `collection` is the key of the array that it came from, if any."""

    collection: str | None
    value: Any


class JsonFeed:
    """Reads one text stream once. Errors name the file by `name`."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self.collections: set[str] = set()
        """The names of all collections met so far, also of empty ones."""
        self.has_arrays = False
        """True once an array without a name was met."""
        self.is_empty = True
        """True until anything but blanks was met."""
        self._stream = stream
        self._name = name
        self._window = ""
        self._place = 0
        self._at_end = False
        self._lines_before = 0
        self._columns_before = 0

    def items(self) -> Iterator[Item]:
        """Every document in the order of the file.

        Raises BadInputError: not UTF-8, not JSON, or cut off; with the line and column.
        """
        try:
            while mark := self._peek():
                self.is_empty = False
                yield from self._array(None) if mark == "[" else self._top_value()
        except UnicodeDecodeError:
            raise BadInputError(
                f"{self._name} is not a text file in UTF-8 (a fault after line {self._lines_before + 1}); "
                "give a JSON export. Nothing was stored."
            ) from None
        except RecursionError:
            raise BadInputError(
                f"{self._name} is nested too deeply to be a FolkForm export, after line {self._lines_before + 1}; "
                "nothing was stored."
            ) from None

    def _top_value(self) -> Iterator[Item]:
        """A document in one piece or, when it does not fit the window, its arrays element by element."""
        if self._peek() != "{":
            yield Item(None, self._value())
            return
        # Not as one value: if two arrays bear the same name, the parser would forget the first.
        if not _EXPORT.match(self._window, self._place):
            value = self._value_in_window()
            if value is not _INCOMPLETE:
                yield from self._spread(value)
                return
        rest: dict[str, Any] = {}
        streamed = False
        self._expect("{")
        while self._peek() != "}":
            if rest or streamed:
                self._expect(",")
            key = self._key()
            self._expect(":")
            if is_collection(key) and self._peek() == "[":
                streamed = True
                self.collections.add(key)
                yield from self._array(key)
            else:
                rest[key] = self._value()
        self._expect("}")
        if not streamed or any(map(is_collection, rest)):
            yield from self._spread(rest)

    def _spread(self, value: dict[str, Any]) -> Iterator[Item]:
        """The documents of an object of collections, or the object itself when it is a document."""
        # Every document comes this way, so first a test without a loop in Python.
        found = [] if "_id" in value or "pageId" in value else [key for key in value if is_collection(key)]
        if not found:
            yield Item(None, value)
        for key in found:
            content = value[key]
            if content is not None and not isinstance(content, list):
                raise BadInputError(f"{self._name}: {key} is not an array of documents; nothing was stored.")
            self.collections.add(key)
            for each in content or ():
                yield Item(key, each)

    def _array(self, collection: str | None) -> Iterator[Item]:
        self._expect("[")
        self.has_arrays = self.has_arrays or collection is None
        if self._peek() == "]":
            self._place += 1
            return
        while True:
            value = self._value()
            if collection is None and isinstance(value, dict):
                yield from self._spread(value)
            else:
                yield Item(collection, value)
            if self._peek() == "]":
                self._place += 1
                return
            self._expect(",")

    def _key(self) -> str:
        if self._peek() != '"':
            raise self._fault("a name in double quotes was expected")
        key: str = self._value()
        return key

    def _expect(self, mark: str) -> None:
        found = self._peek()
        if not found:
            raise self._cut_off()
        if found != mark:
            raise self._fault(f"{mark!r} was expected")
        self._place += 1

    def _peek(self) -> str:
        """The next character that is not blank, or nothing at the end of the file."""
        while True:
            match = _BLANK.match(self._window, self._place)
            assert match is not None
            self._place = match.end()
            if self._place < len(self._window):
                return self._window[self._place]
            if self._at_end:
                return ""
            self._read()

    def _read(self) -> None:
        """Drop what was consumed and read as much again as is left, at least a window."""
        consumed = self._window[: self._place]
        newlines = consumed.count("\n")
        if newlines:
            self._lines_before += newlines
            self._columns_before = len(consumed) - consumed.rfind("\n") - 1
        else:
            self._columns_before += len(consumed)
        rest = self._window[self._place :]
        more = self._stream.read(max(WINDOW_CHARACTERS, len(rest)))
        self._at_end = not more
        self._window = rest + more
        self._place = 0

    def _value_in_window(self) -> Any:
        """The next value if the window (filled once if need be) holds all of it, else _INCOMPLETE."""
        for _ in range(2):
            try:
                value, end = _DECODER.raw_decode(self._window, self._place)
            except json.JSONDecodeError as error:
                self._judge(error)
            except ValueError:
                raise self._fault("a number has too many digits") from None
            else:
                # A number at the end of the window may go on in the next one, as may one cut after its point.
                if self._at_end or (end < len(self._window) and self._window[end] not in ".eE"):
                    self._place = end
                    return value
            if len(self._window) - self._place < WINDOW_CHARACTERS:
                self._read()
        return _INCOMPLETE

    def _value(self) -> Any:
        if not self._peek():
            raise self._cut_off()
        while True:
            value = self._value_in_window()
            if value is not _INCOMPLETE:
                return value
            self._read()

    def _judge(self, error: json.JSONDecodeError) -> None:
        """Raise unless more of the file could mend this error."""
        unterminated = error.msg.startswith("Unterminated string")
        # An escape or a literal that is cut in two is reported up to 12 characters before the end.
        near_end = error.pos >= len(self._window.rstrip()) - 12
        if self._at_end:
            if unterminated or error.pos >= len(self._window.rstrip()):
                raise self._cut_off()
            raise self._fault(_lower_first(error.msg), error.pos)
        if not unterminated and not near_end:
            raise self._fault(_lower_first(error.msg), error.pos)

    def _cut_off(self) -> BadInputError:
        return BadInputError(
            f"{self._name} breaks off in the middle of a document ({self._where(len(self._window))}); "
            "nothing was stored, export it again."
        )

    def _fault(self, what: str, place: int | None = None) -> BadInputError:
        where = self._where(self._place if place is None else place)
        return BadInputError(f"{self._name} is not JSON: {what} at {where}; nothing was stored.")

    def _where(self, place: int) -> str:
        before = self._window[:place]
        newlines = before.count("\n")
        line = self._lines_before + newlines + 1
        column = place - before.rfind("\n") if newlines else self._columns_before + place + 1
        return f"line {line}, column {column}"


def is_collection(key: str) -> bool:
    """Whether a key of the outermost object names a collection. Those we do not know are streamed past as well."""
    return key.startswith("fb_")


class _Incomplete:
    """The window ends before the value does."""


_INCOMPLETE = _Incomplete()


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:].removesuffix(" at")  # Python says "... character at" where a place follows
