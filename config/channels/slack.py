"""The settings of Slack: an incoming webhook, or a bot with its channel."""

import re
from dataclasses import dataclass

from config import fields
from config.channels.kind import ChannelKind
from config.reading import Values
from config.secret import Secret
from config.setting import Setting

_TOKEN = re.compile(r"xox[a-z]-[A-Za-z0-9-]{6,}|xoxe\.xox[a-z]-[A-Za-z0-9-]{6,}")

_APP_TOKEN = re.compile(r"xapp-[A-Za-z0-9-]{6,}")


@dataclass(frozen=True)
class SlackSettings:
    """Either a webhook, or a bot's token with its channel."""

    webhook_url: Secret | None = None
    bot_token: Secret | None = None
    channel: str | None = None
    api_url: str | None = None
    """None means Slack's own."""
    app_token: Secret | None = None
    """With it messages have buttons, and we hear of who has pressed one."""

    @property
    def takes_answers(self) -> bool:
        return self.app_token is not None


def _token(value: str) -> str:
    """A bot's token."""
    if not _TOKEN.fullmatch(value):
        raise ValueError("is no Slack token; copy the Bot User OAuth Token, which begins with xoxb-")
    return value


def _app_token(value: str) -> str:
    """An app's token."""
    if not _APP_TOKEN.fullmatch(value):
        raise ValueError("is no app-level token; make one with the scope connections:write, it begins with xapp-")
    return value


def _channel(value: str) -> str:
    """A channel's id or name."""
    if not re.fullmatch(r"[#@]?[\w.-]{1,80}", value):
        raise ValueError("is no Slack channel; write its id (C0123456789) or its name (#alerts)")
    return value


WEBHOOK_URL: Setting[str] = Setting(
    "SLACK_WEBHOOK_URL", fields.web_address, "An incoming webhook: the simplest way.",
    example="https://hooks.slack.com/services/T000/B000/XXXX", secret=True,
)  # fmt: skip
BOT_TOKEN: Setting[str] = Setting(
    "SLACK_BOT_TOKEN", _token, "Instead of the webhook: a bot's token, which can also edit its messages.",
    example="xoxb-0000-0000-XXXX", secret=True,
)  # fmt: skip
CHANNEL: Setting[str] = Setting(
    "SLACK_CHANNEL", _channel, "Where the bot writes: a channel's id or name.", example="#alerts"
)
API_URL: Setting[str] = Setting(
    "SLACK_API_URL", fields.web_address, "Another address of Slack's Web API.", example="https://slack.com/api/"
)

APP_TOKEN: Setting[str] = Setting(
    "SLACK_APP_TOKEN", _app_token, "Buttons under a bot's messages: an app-level token, for Slack's socket mode.",
    example="xapp-1-A000-0000-XXXX", secret=True,
)  # fmt: skip


def _read(values: Values) -> SlackSettings | None:
    """A webhook, or a bot's token and channel; None if neither is set."""
    webhook, token = values.optional(WEBHOOK_URL), values.optional(BOT_TOKEN)
    channel, api, app_token = values.optional(CHANNEL), values.optional(API_URL), values.optional(APP_TOKEN)
    has_webhook, has_token = values.given(WEBHOOK_URL), values.given(BOT_TOKEN)
    has_channel = values.given(CHANNEL)
    if has_webhook and has_token:
        values.faults.append(
            f"{has_webhook.label('SLACK_WEBHOOK_URL')} and {has_token.label('SLACK_BOT_TOKEN')} are both set, "
            "so each alert would come twice; keep one of the two."
        )
    elif has_token and not values.tried(CHANNEL):
        values.faults.append(
            f"{has_token.label('SLACK_BOT_TOKEN')}: is set without SLACK_CHANNEL; set the channel that it writes to."
        )
    elif has_channel and not has_webhook and not values.tried(BOT_TOKEN):
        values.faults.append(
            f"{has_channel.label('SLACK_CHANNEL')}: is set without SLACK_BOT_TOKEN; set the token, or remove it."
        )
    elif has_webhook and has_channel:
        values.notes.append("SLACK_CHANNEL has no effect: a webhook writes to the channel that it was made for.")
    if api and not has_token:
        values.notes.append("SLACK_API_URL has no effect without SLACK_BOT_TOKEN.")
    if app_token and not has_token:
        values.notes.append(
            "SLACK_APP_TOKEN has no effect without SLACK_BOT_TOKEN: a webhook's messages stay as they are."
        )
    if webhook:
        return SlackSettings(webhook_url=Secret(webhook))
    if token and channel:
        return SlackSettings(bot_token=Secret(token), channel=channel, api_url=api, app_token=_secret(app_token))
    return None


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value else None


KIND = ChannelKind(
    "slack",
    (WEBHOOK_URL, BOT_TOKEN, CHANNEL, API_URL, APP_TOKEN),
    switches=(WEBHOOK_URL, BOT_TOKEN),
    set_up_by="SLACK_WEBHOOK_URL, or SLACK_BOT_TOKEN with SLACK_CHANNEL",
    read=_read,
)
