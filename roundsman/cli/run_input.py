"""What people hand to runs: their numbers, and JSON from files and standard input.

Whatever is wrong is found before anything is stored, and told with the option's name and the place of the fault.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from roundsman.cli.output import one_line, remark
from roundsman.errors import BadInputError

GREATEST_NUMBER = 2**63 - 1
LARGEST_FILE = 8 * 1024 * 1024
"""Bytes that are read of an input: with spaces and line ends it may be larger than what is stored."""

RunArgument = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=GREATEST_NUMBER, help="A run's number, as `runs list` shows it.")
]
RunsArgument = Annotated[
    list[int], typer.Argument(metavar="ID...", min=1, max=GREATEST_NUMBER, help="Numbers of runs.")
]


def read_object(option: str, place: str) -> Mapping[str, Any]:
    """The JSON object in this file, or on standard input for `-`. Raises BadInputError."""
    value = parse_json(option, _read(option, place))
    if not isinstance(value, dict):
        raise BadInputError(
            f"{option}: {_named(place)} holds {_kind(value)} and no JSON object; write one in braces, such as {{}}."
        )
    return value


def read_value(option: str, text: str) -> Any:
    """Any JSON: as it stands, or from a file for `@FILE`, from standard input for `@-`. Raises BadInputError."""
    return parse_json(option, _read(option, text[1:]) if text.startswith("@") else text)


def parse_json(option: str, text: str) -> Any:
    """Raises BadInputError with line and column."""
    if not text.strip():
        raise BadInputError(f"{option}: is empty; give JSON, such as {{}}.")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInputError(
            f"{option}: is no JSON: line {error.lineno}, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}."
        ) from None
    except (RecursionError, ValueError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadInputError(f"{option}: cannot be read as JSON: {reason}.") from None


def _read(option: str, place: str) -> str:
    try:
        if place == "-":
            if sys.stdin.isatty():
                remark("Type JSON and end it with Ctrl-D.")
            data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(place).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        hint = "; to give JSON itself, pipe it into --input -" if place.lstrip().startswith("{") else ""
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInputError(f"{option}: {_named(place)} cannot be read ({reason}){hint}.") from None
    if len(data) > LARGEST_FILE:
        raise BadInputError(
            f"{option}: {_named(place)} is larger than {LARGEST_FILE} bytes; put what is large elsewhere and give its "
            "place."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{option}: {_named(place)} is not UTF-8 at byte {error.start}; save it as UTF-8."
        ) from None


def _named(place: str) -> str:
    return "standard input" if place == "-" else one_line(place, 200)


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "a number"
