"""How commands speak: plain lines and tables for people, JSON for programs.

rich is imported only when a table is drawn: it costs 60 ms, and `--json` or the daemon never need it.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from roundsman.clock import iso
from roundsman.clock import short_duration as short_duration  # the commands find it beside the other words
from roundsman.errors import RoundsmanError
from roundsman.journal import stream_is_journal

_WIDTH_WITHOUT_TERMINAL = 160
_NARROWEST = 80
"""In a narrower terminal, lines that the terminal breaks are read more easily than columns of single letters."""


_DRIVING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What JSON may hold as it is, and a terminal takes for a command or another direction of writing."""


class ReaderGoneError(Exception):
    """Whoever read our output has seen enough, as in `roundsman ... | head`. Nothing went wrong."""


LONGEST_NAME = 60
"""Characters of a name in a table: names come from outside, and one of thousands would fill the screen."""

_STDERR = 2


class OutputError(RoundsmanError):
    """Our output cannot be written, for example into a file on a full disk."""


def say(text: str = "") -> None:
    """One line for people, on stdout."""
    _write(f"{printable(text)}\n")


def complain(text: str) -> None:
    """One line about a fault, on stderr; in the journal with priority err, so that `journalctl -p err` finds it."""
    priority = "<3>" if stream_is_journal(_STDERR, os.environ.get("JOURNAL_STREAM")) else ""
    sys.stderr.write(f"{priority}roundsman: {printable(text)}\n")


def remark(text: str) -> None:
    """One line on stderr that is no fault, for people: stdout may be read by a program."""
    sys.stderr.write(f"roundsman: {printable(text)}\n")
    sys.stderr.flush()


def print_json(value: Any, *, in_one_line: bool = False) -> None:
    """A JSON document on stdout; times as `...Z`, durations in seconds."""
    indent = None if in_one_line else 2
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=indent)
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:  # another locale, or half a surrogate pair: JSON can escape what cannot be written
        text = json.dumps(value, default=_plain, indent=indent)
    _write(_DRIVING.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """A table as wide as the terminal; cells are text, never markup (names come from outside)."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns_wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    console = Console(width=max(columns_wide, _NARROWEST))
    table = Table(title=title, box=None, header_style="bold", title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable("" if cell is None else str(cell))) for cell in row))
    with console.capture() as captured:  # rich would end the program when the reader is gone
        console.print(table)
    _write(captured.get())


class Bars:
    """Bars of progress, one for each name, on a terminal. Use as a context manager; they stay when it ends."""

    def __init__(self, names: Iterable[int]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        # Without a thread of its own: it is drawn when something is shown
        self._progress = Progress(
            TextColumn("run {task.fields[name]}", markup=False), BarColumn(30), TaskProgressColumn(),
            TextColumn("{task.fields[words]}", markup=False), console=Console(), auto_refresh=False,
        )  # fmt: skip
        self._bars = {name: self._progress.add_task("", total=100, name=name, words="") for name in names}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, name: int, percent: int, words: str) -> None:
        """Draw one of them anew."""
        self._progress.update(self._bars[name], completed=percent, words=one_line(words), refresh=True)


def one_line(text: str, most: int | None = None) -> str:
    """Printable, without line breaks, and cut to so many characters."""
    text = printable(" ".join(text.split()))
    return text if most is None or len(text) <= most else f"{text[: most - 3]}..."


def printable(text: str) -> str:
    """Without control characters: a customer's name must not drive the administrator's terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def _write(text: str) -> None:
    encoding = _encoding()
    text = text.encode(encoding, "replace").decode(encoding)  # a locale without Vietnamese letters gets "?"
    try:
        sys.stdout.write(text)
        sys.stdout.flush()  # the log goes to stderr: in a pipe, too, both should appear in order
    except BrokenPipeError:  # not let out as it is: the command line library makes an exit code of 1 of it
        raise ReaderGoneError from None
    except OSError as error:
        raise OutputError(f"Standard output cannot be written: {error.strerror}.") from None


def _encoding() -> str:
    return sys.stdout.encoding or "utf-8"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
