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


def policy_book(settings: Settings) -> PolicyBook:
    """Read the file, if there is one. Raises ConfigurationError with every fault."""
    if settings.policies_file is None:
        return _of_settings(settings)
    return policy_book_of(settings, settings.policies_file)


def policy_book_of(settings: Settings, path: Path) -> PolicyBook:
    """The book in this file. Raises ConfigurationError with every fault."""
    from roundsman.conversations.policies.file import read_policies

    try:
        text = _text(path)
    except ValueError as error:
        raise ConfigurationError([f"POLICIES_FILE: the file {path} {error}."]) from None
    return read_policies(
        text,
        path.name,
        otherwise=_of_settings(settings).otherwise,
        channels=settings.alerts.channels,
        read_file=lambda name: _text(path.parent / name),
    )


def _of_settings(settings: Settings) -> PolicyBook:
    chosen = settings.conversation
    return PolicyBook.of_settings(AnsweringClock(chosen.clock), chosen.threshold, comments=chosen.comments)


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
