"""What is known of one name that can be set. The catalogue is made of these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One name that can be set."""

    name: str
    read: Callable[[str], T]
    """From text to value; ValueError holds the second half of a sentence."""
    help: str
    default: str | None = None
    example: str | None = None
    """For the settings without a default, or with one that depends on others."""
    secret: bool = False
    """Never shown; may also come from NAME_FILE or a systemd credential."""
    needs_restart: bool = False
    """A reload (SIGHUP) does not take it over."""
