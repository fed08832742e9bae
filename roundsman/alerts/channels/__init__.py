"""The table of channels: every kind that exists, what switches it on, and how it is built from plain values.

A kind's module is imported only when a channel of it is built: slack_sdk and requests cost memory and start-up
time that a daemon without Slack and Telegram should not pay. To add a channel, write its file and add a line here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from roundsman.alerts.channels.base import HTTP_TIMEOUT, Channel
from roundsman.clock import Clock


@dataclass(frozen=True)
class SlackOptions:
    """A webhook, or a bot token with the channels to write to. With both, the bot is used, as it can edit."""

    webhook_url: str | None = field(default=None, repr=False)
    bot_token: str | None = field(default=None, repr=False)
    channels: tuple[str, ...] = ()
    """Ids or names; the first becomes the channel `slack`, each further one `slack:<channel>`."""
    api_url: str | None = None
    min_interval: timedelta = timedelta(seconds=1)
    timeout: timedelta = HTTP_TIMEOUT


@dataclass(frozen=True)
class TelegramOptions:
    """A bot and the chats to write to."""

    bot_token: str = field(repr=False)
    chats: tuple[str, ...]
    """`chat` or `chat:topic`; the first becomes the channel `telegram`, each further one `telegram:<chat>`."""
    api_url: str | None = None
    min_interval: timedelta = timedelta(seconds=1)
    timeout: timedelta = HTTP_TIMEOUT


@dataclass(frozen=True)
class ChannelOptions:
    """Which kinds are configured."""

    console: bool = True
    slack: SlackOptions | None = None
    telegram: TelegramOptions | None = None


@dataclass(frozen=True)
class ChannelKind:
    """One line of the table."""

    switched_on_by: str
    """What to set, for somebody who asks for a channel of this kind that is not configured."""
    build: Callable[[ChannelOptions, Clock], Sequence[Channel]]


def build_channels(options: ChannelOptions, clock: Clock) -> tuple[Channel, ...]:
    """Every configured channel, in the order of the table. Makes no connection."""
    return tuple(channel for kind in CHANNELS.values() for channel in kind.build(options, clock))


def _console(options: ChannelOptions, clock: Clock) -> Sequence[Channel]:
    if not options.console:
        return ()
    from roundsman.alerts.channels.console import ConsoleChannel

    return (ConsoleChannel(),)


def _slack(options: ChannelOptions, clock: Clock) -> Sequence[Channel]:
    chosen = options.slack
    if chosen is None:
        return ()
    from roundsman.alerts.channels.slack import SlackChannel

    if chosen.bot_token and chosen.channels:
        return tuple(
            SlackChannel(
                "slack" if channel == chosen.channels[0] else f"slack:{channel}",
                clock,
                bot_token=chosen.bot_token,
                channel=channel,
                api_url=chosen.api_url,
                min_interval=chosen.min_interval,
                timeout=chosen.timeout,
            )
            for channel in dict.fromkeys(chosen.channels)
        )
    return (
        SlackChannel(
            "slack",
            clock,
            webhook_url=chosen.webhook_url,
            min_interval=chosen.min_interval,
            timeout=chosen.timeout,
        ),
    )


def _telegram(options: ChannelOptions, clock: Clock) -> Sequence[Channel]:
    chosen = options.telegram
    if chosen is None:
        return ()
    from roundsman.alerts.channels.telegram import TelegramChannel

    return tuple(
        TelegramChannel(
            "telegram" if target == chosen.chats[0] else f"telegram:{target}",
            clock,
            bot_token=chosen.bot_token,
            target=target,
            api_url=chosen.api_url,
            min_interval=chosen.min_interval,
            timeout=chosen.timeout,
        )
        for target in dict.fromkeys(chosen.chats)
    )


_IF_LISTED = " and name it in ALERT_CHANNELS if that is set"

CHANNELS: Mapping[str, ChannelKind] = {
    "console": ChannelKind("ALERT_CHANNELS to a list with console in it", _console),
    "slack": ChannelKind(f"SLACK_WEBHOOK_URL, or SLACK_BOT_TOKEN with SLACK_CHANNEL,{_IF_LISTED}", _slack),
    "telegram": ChannelKind(f"TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID,{_IF_LISTED}", _telegram),
}
