"""What the settings' file of policies says, or what holds without one: the three settings alone, and no route.

The readers of the file and TOML are imported for a file only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from config import Settings
from config.sources import read_text
from roundsman.alerts.rules.route import Rules
from roundsman.app.channels import channel_names
from roundsman.conversations.policies.book import PolicyBook
from roundsman.errors import ConfigurationError
from roundsman.repositories.watch_list import AnsweringClock

_MOST_BYTES = 1 << 20
"""Far more than any such file; protects from a device or a log named by mistake."""


class Policies(NamedTuple):
    """Both halves of a file, read at the same moment."""

    book: PolicyBook
    """How long customers may wait."""
    rules: Rules
    """Where alerts go."""

    @property
    def versions(self) -> Mapping[str, str]:
        """By their names for people."""
        return {"Policies": self.book.version, "Rules of alerts": self.rules.version}


def policies_of(settings: Settings, file: Path | None = None) -> Policies:
    """Read the settings' file, if they have one, or another one, to try it out.

    Raises ConfigurationError with every fault.
    """
    chosen, path = settings.conversation, file or settings.policies_file
    plain = PolicyBook.of_settings(AnsweringClock(chosen.clock), chosen.threshold, comments=chosen.comments)
    if path is None:
        return Policies(plain, Rules())
    from roundsman.alerts.rules.file import read_rules
    from roundsman.conversations.policies.file import PolicyFile, read_policies

    try:
        text = _text(path)
    except ValueError as error:
        name = "The file" if file else "POLICIES_FILE: the file"
        raise ConfigurationError([f"{name} {path} {error}."]) from None
    opened = PolicyFile(
        text, path.name, channels=channel_names(settings.alerts), read_file=lambda name: _text(path.parent / name)
    )
    found = Policies(read_policies(opened, plain.otherwise), read_rules(opened))
    opened.refuse_faults()
    return found


def _text(path: Path) -> str:
    """Raises ValueError with the second half of a sentence."""
    return read_text(path, _MOST_BYTES).replace("\r\n", "\n")
