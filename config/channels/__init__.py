"""The table of the kinds of channels: the settings of each are in a file of its own, which is named here."""

from collections.abc import Mapping
from typing import Any

from config.channels import email, slack, telegram, webhook
from config.channels.kind import ChannelKind
from config.setting import Setting

KINDS: tuple[ChannelKind, ...] = (
    slack.KIND,
    telegram.KIND,
    email.KIND,
    webhook.KIND,
)

WITHOUT_SETTINGS = ("console", "in_app")
"""They only have to be named in ALERT_CHANNELS; the console is used without that as well."""

CHANNEL_SETTINGS: tuple[Setting[Any], ...] = tuple(setting for kind in KINDS for setting in kind.settings)

SET_UP_BY: Mapping[str, str] = {
    **{name: f"ALERT_CHANNELS to a list with {name} in it" for name in WITHOUT_SETTINGS},
    **{kind.name: f"{kind.set_up_by}, and name it in ALERT_CHANNELS if that is set" for kind in KINDS},
}
"""What to set for a channel of each kind, the end of a sentence."""


def channel_names(value: str) -> tuple[str, ...]:
    """A comma-separated list of kinds."""
    names = tuple(dict.fromkeys(name.strip().lower() for name in value.split(",") if name.strip()))
    if not names or not all(name in SET_UP_BY for name in names):
        raise ValueError(f"is not a comma-separated list of {', '.join(SET_UP_BY)}")
    return names
