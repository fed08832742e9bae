"""Where values come from: the process environment, the settings file, files that hold one secret, credentials.

The environment wins over the file, and what somebody wrote wins over a systemd credential, which is merely there.
Nothing is read twice, and the environment is passed in: a reload with another file is just another call.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ENV_FILE = "ROUNDSMAN_ENV_FILE"
"""Names the settings file; only read from the process environment."""
ENVIRONMENT = "environment"
UNREADABLE = "the value holds a control character or is not UTF-8; write it anew"
_MOST_BYTES = 65_536
"""Far more than any settings file or secret; protects from a device or a log named by mistake."""


@dataclass(frozen=True)
class Given:
    """A value as somebody wrote it, and where."""

    text: str = field(repr=False)
    place: str

    def label(self, name: str) -> str:
        """`LOG_LEVEL`, or `LOG_LEVEL (.env line 3)`."""
        return name if self.place == ENVIRONMENT else f"{name} ({self.place})"


@dataclass(frozen=True)
class Sources:
    """All that was given. An empty value counts as not given, as usual in unit files and compose files."""

    environment: Mapping[str, Given]
    lines: Mapping[str, Given]
    """The settings file, with its empty values."""
    directory: Path
    """Relative paths are meant from here."""
    file_directory: Path
    """Where the settings file lies, or would lie."""
    credentials: Path | None
    """systemd's folder of credentials."""
    state_directory: Path | None
    """systemd's StateDirectory."""

    @property
    def file(self) -> Mapping[str, Given]:
        """What the settings file sets."""
        return {name: given for name, given in self.lines.items() if given.text}

    def plain(self, name: str) -> Given | None:
        """The value of a setting that is no secret."""
        given = self.environment.get(name) or self.lines.get(name)
        return given if given and given.text else None

    def beside(self, given: Given) -> Path:
        """The path that was given, for files that belong to the settings file: relative to it if it stands there."""
        return (self.directory if given.place == ENVIRONMENT else self.file_directory) / given.text

    def secret(self, name: str, fault: Callable[[str], None]) -> Given | None:
        """The value of a secret, from wherever it was put."""
        written = self.plain(name)
        named = self.plain(f"{name}_FILE")
        if written and named:
            fault(f"{written.label(name)} and {named.label(f'{name}_FILE')} are both set; keep one of the two.")
            return None
        if written:
            return written
        if named:
            return self._content(named.label(f"{name}_FILE"), self.directory / named.text, fault)
        credential = self.credential(name)
        return self._content(f"{name} (systemd credential)", credential, fault) if credential else None

    def credential(self, name: str) -> Path | None:
        """The file of a credential of that name, if systemd gave one."""
        if self.credentials is None:
            return None
        # systemd names a credential that came from a folder ID_FILE; our unit takes a folder under the id `roundsman`
        paths = (self.credentials / name.lower(), self.credentials / f"roundsman_{name.lower()}")
        return next((path for path in paths if _exists(path)), None)

    def _content(self, label: str, path: Path, fault: Callable[[str], None]) -> Given | None:
        try:
            text = read_text(path).rstrip("\r\n")
        except ValueError as error:
            fault(f"{label}: the file {printable(str(path))} {error}.")
            return None
        if not text.strip():
            fault(f"{label}: the file {printable(str(path))} is empty; write the secret into it.")
            return None
        if "\n" in text:
            fault(f"{label}: the file {printable(str(path))} holds more than one line; leave only the secret.")
            return None
        return Given(text.strip(), f"file {printable(str(path))}")


def gather(environ: Mapping[str, str], directory: Path, fault: Callable[[str], None]) -> Sources:
    """Collect everything from a process environment and the settings file that it names, or `.env` in `directory`."""
    environment = {name: Given(text.strip(), ENVIRONMENT) for name, text in environ.items() if text.strip()}
    named = environment.get(ENV_FILE)
    path = directory / (named.text if named else ".env")
    lines: dict[str, Given] = {}
    if named or _exists(path):
        label = f"{ENV_FILE}: the file {printable(str(path))}" if named else f"The settings file {path}"
        try:
            content = read_text(path)
        except ValueError as error:
            fault(f"{label} {error}.")
        else:
            lines = dict(_parse(content, _short(path, directory), fault))
    return Sources(
        environment,
        lines,
        directory,
        path.parent,
        _first_path(environment.get("CREDENTIALS_DIRECTORY")),
        _first_path(environment.get("STATE_DIRECTORY")),
    )


def read_text(path: Path, most_bytes: int = _MOST_BYTES) -> str:
    """A small text file. Raises ValueError with the second half of a sentence."""
    try:
        if not path.is_file():  # a pipe would block, a device never end
            raise ValueError("does not exist" if not path.exists() else "is not a regular file")
        with path.open("rb") as stream:
            content = stream.read(most_bytes + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    if len(content) > most_bytes:
        raise ValueError(f"is larger than {most_bytes // 1024} KiB, so it is no such file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def printable(text: str) -> str:
    """Without control characters and lone surrogates: names come from outside, and sentences go to a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def is_plain_text(text: str) -> bool:
    """No control characters and no lone surrogates."""
    return not any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) <= 0xDFFF for char in text)


def _parse(content: str, name: str, fault: Callable[[str], None]) -> Iterator[tuple[str, Given]]:
    # Not `dotenv_values`: it skips broken lines with a warning and knows no line numbers
    from io import StringIO

    from dotenv.parser import parse_stream

    lines: dict[str, int] = {}
    for binding in parse_stream(StringIO(content)):
        text = binding.original.string
        # The parser counts blank lines before a setting as part of it
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            # The line itself is not repeated: it may be a broken secret
            fault(f"{name} line {line}: this is not NAME=VALUE; correct the line or put # before it.")
        elif binding.key is not None and binding.value is not None:
            if binding.key in lines:
                fault(
                    f"{printable(binding.key)} ({name} line {line}): is set in line {lines[binding.key]} already; "
                    "keep one of the two."
                )
            lines[binding.key] = line
            yield binding.key, Given(binding.value.strip(), f"{name} line {line}")


def _short(path: Path, directory: Path) -> str:
    return printable(path.name if path.parent == directory else str(path))


def _first_path(given: Given | None) -> Path | None:
    # systemd separates several with colons
    return Path(given.text.split(":")[0]) if given and is_plain_text(given.text) else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no permission to look; a null byte
        return True  # reading will say what is wrong
