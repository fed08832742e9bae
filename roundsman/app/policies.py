"""The book of policies that the settings ask for: out of their file, or made of the three settings alone.

The reader of the file and TOML are imported for a file only.
"""

from pathlib import Path

from config import Settings
from config.sources import read_text
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
    return read_text(path, _MOST_BYTES).replace("\r\n", "\n")
