"""Opening an export: a file or standard input, and a sentence for what is plainly something else."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from roundsman.errors import BadInputError

STANDARD_INPUT = "-"

_NO_EXPORTS = {
    b"\x1f\x8b": "is compressed (gzip); unpack it first, for example with gunzip",
    b"PK\x03\x04": "is a zip archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd); unpack it first, for example with unzstd",
    b"\xff\xfe": "is text in UTF-16, as PowerShell writes it; save it as UTF-8",
    b"\xfe\xff": "is text in UTF-16; save it as UTF-8",
    b"{\x00": "is text in UTF-16; save it as UTF-8",
    b"[\x00": "is text in UTF-16; save it as UTF-8",
}
"""How a file begins that is no JSON in UTF-8."""


@contextmanager
def opened(file: str) -> Iterator[tuple[TextIO, str]]:
    """The export as a text stream, with its name for people. Raises BadInputError: it cannot be read."""
    if file == STANDARD_INPUT:
        name = "standard input"
        yield _text(sys.stdin.buffer, name), name
        return
    if not file:
        raise BadInputError("The name of the file is empty; give a FolkForm export in JSON.")
    if Path(file).is_dir():
        raise BadInputError(f"{file} is a directory; give a file, such as samples/folkform-export.json.")
    try:
        binary = Path(file).open("rb")  # noqa: SIM115  closed below
    except FileNotFoundError:
        raise BadInputError(f"{file} does not exist; give a FolkForm export in JSON.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInputError(f"{file} cannot be read: {reason}.") from None
    with binary:
        try:
            yield _text(binary, file), file
        except OSError as error:
            raise BadInputError(f"{file} cannot be read: {error.strerror or error}.") from None


def _text(binary: BinaryIO, name: str) -> TextIO:
    buffered = binary if isinstance(binary, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", binary))
    start = buffered.peek(4)
    for mark, what in _NO_EXPORTS.items():
        if start.startswith(mark):
            raise BadInputError(f"{name} {what}. Nothing was stored.")
    return io.TextIOWrapper(buffered, encoding="utf-8-sig", newline="")
