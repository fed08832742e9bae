"""The settings of the webhook of alerts: where to, and the secret that signs what is sent there."""

from dataclasses import dataclass
from typing import Any

from config import fields
from config.channels.kind import ChannelKind
from config.queue_fields import hook_url, is_inside, signing_secret
from config.reading import Values
from config.secret import Secret
from config.setting import Setting


@dataclass(frozen=True)
class WebhookSettings:
    """One receiver."""

    url: Secret
    signing_key: Secret
    allow_private: bool = False
    """Whether the URL may lead into a private network or to this machine."""


URL: Setting[str] = Setting(
    "ALERT_WEBHOOK_URL", hook_url, "Another program that is told of alerts: a POST for each message, signed.",
    example="https://hooks.example.org/alerts", secret=True,
)  # fmt: skip
SIGNING_KEY: Setting[str] = Setting(
    "ALERT_WEBHOOK_SECRET", signing_secret, "Signs them; the receiver knows it too.",
    example="AT-LEAST-16-CHARACTERS", secret=True,
)  # fmt: skip
ALLOW_PRIVATE: Setting[bool] = Setting(
    "ALERT_WEBHOOK_ALLOW_PRIVATE", fields.on_or_off,
    "Whether that may be in a private network or on this machine, and plain http://.", "off",
)  # fmt: skip


def _read(values: Values) -> WebhookSettings | None:
    url, key = values.optional(URL), values.optional(SIGNING_KEY)
    allow_private = values.required(ALLOW_PRIVATE)
    if url and not allow_private and (is_inside(url) or not url.lower().startswith("https:")):
        values.fault(
            URL,
            "leads into a private network or is no https:// address; set ALERT_WEBHOOK_ALLOW_PRIVATE=on if that is "
            "meant",
        )
    given = values.given(URL)
    if given and not values.tried(SIGNING_KEY):
        values.faults.append(
            f"{given.label(URL.name)}: is set without ALERT_WEBHOOK_SECRET; set the secret that signs what is sent "
            "there."
        )
    if not values.tried(URL):
        only_with_it: tuple[Setting[Any], ...] = (SIGNING_KEY, ALLOW_PRIVATE)
        values.notes.extend(
            f"{setting.name} has no effect without ALERT_WEBHOOK_URL." for setting in only_with_it
            if values.tried(setting)
        )  # fmt: skip
    return WebhookSettings(Secret(url), Secret(key), allow_private) if url and key else None


KIND = ChannelKind(
    "webhook",
    (URL, SIGNING_KEY, ALLOW_PRIVATE),
    switches=(URL,),
    set_up_by="ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET",
    read=_read,
)
