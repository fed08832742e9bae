"""What the settings know of one kind of channel. The table of kinds is made of these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config.reading import Values
from config.setting import Setting


@dataclass(frozen=True)
class ChannelKind:
    """One kind of channel: its settings, and how they become one value."""

    name: str
    settings: tuple[Setting[Any], ...]
    """In the order in which they are listed."""
    switches: tuple[Setting[Any], ...]
    """Whoever sets one of these wants the channel."""
    set_up_by: str
    """What to set, for somebody who asks for a channel of this kind that is not there."""
    read: Callable[[Values], object | None]
    """The settings as one frozen value; None if the channel is not set up, or wrongly, which is noted as a fault."""
