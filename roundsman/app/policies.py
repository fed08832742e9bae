"""The book of policies that the settings ask for: out of their file, or made of the three settings alone.

The reader of the file and TOML are imported for a file only.
"""

from pathlib import Path

from config import Settings
from roundsman.conversations.policies.book import PolicyBook
from roundsman.errors import ConfigurationError
from roundsman.repositories.watch_list import AnsweringClock

_MOST_BYTES = 1 << 20
"""Far more than any such file; protects from a device or a log named by mistake."""


def policy_book(settings: Settings, file: Path | None = None) -> PolicyBook:
    """Read the settings' file, if they have one, or another one, to try it out.

    Raises ConfigurationError with every fault.
    """
    chosen, path = settings.conversation, file or settings.policies_file
    plain = PolicyBook.of_settings(AnsweringClock(chosen.clock), chosen.threshold, comments=chosen.comments)
    if path is None:
        return plain
    from roundsman.conversations.policies.file import read_policies

    try:
        text = _text(path)
    except ValueError as error:
        name = "The file" if file else "POLICIES_FILE: the file"
        raise ConfigurationError([f"{name} {path} {error}."]) from None
    return read_policies(
        text,
        path.name,
        otherwise=plain.otherwise,
        channels=settings.alerts.channels,
        read_file=lambda name: _text(path.parent / name),
    )


def _text(path: Path) -> str:
    """Raises ValueError with the second half of a sentence."""
    try:
        if not path.is_file():  # a pipe would block, a device never end
            raise ValueError("does not exist" if not path.exists() else "is not a regular file")
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    if len(content) > _MOST_BYTES:
        raise ValueError(f"is larger than {_MOST_BYTES // 1024} KiB, so it is no such file")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
