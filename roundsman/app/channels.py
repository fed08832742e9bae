"""The table of channels: how each kind that the settings can ask for is built.

A kind's module is imported only when a channel of it is built: slack_sdk, requests and TLS cost memory and start-up
time that a daemon without them should not pay. To add a channel, write its file and that of its settings, and name it
here and in `config.channels`.
"""

from collections.abc import Callable, Mapping, Sequence

from config import AlertSettings, EmailSettings, Settings, SlackSettings, TelegramSettings, WebhookSettings
from roundsman.alerts.channels.base import Channel
from roundsman.app.seals import OpenStore, slack_seal, telegram_seal
from roundsman.clock import Clock


def channels_of(settings: Settings, clock: Clock, store: OpenStore) -> tuple[Channel, ...]:
    """Build every channel of ALERT_CHANNELS, without connecting to anything; `store` is opened for in_app alone."""
    channels = [
        channel
        for name, build in _KINDS.items()
        if name in settings.alerts.channels
        for channel in build(settings.alerts, clock, store)
    ]
    if "in_app" in settings.alerts.channels:
        from roundsman.alerts.channels.in_app import InAppChannel

        channels.append(InAppChannel("in_app", clock, store()))
    return tuple(channels)


def channel_names(alerts: AlertSettings) -> tuple[str, ...]:
    """What `channels_of` builds, in the same order: the names by which routes and people call them."""
    telegram = alerts.of(TelegramSettings)
    several = {"telegram": telegram.names if telegram is not None else ()}
    return tuple(name for kind in (*_KINDS, "in_app") if kind in alerts.channels for name in several.get(kind, (kind,)))


def _console(alerts: AlertSettings, clock: Clock, store: OpenStore) -> Sequence[Channel]:
    from roundsman.alerts.channels.console import ConsoleChannel

    return (ConsoleChannel(),)


def _slack(alerts: AlertSettings, clock: Clock, store: OpenStore) -> Sequence[Channel]:
    chosen = alerts.of(SlackSettings)
    if chosen is None:
        return ()
    from roundsman.alerts.channels.slack import SlackChannel

    channel = SlackChannel(
        "slack",
        clock,
        webhook_url=chosen.webhook_url.reveal() if chosen.webhook_url else None,
        bot_token=chosen.bot_token.reveal() if chosen.bot_token else None,
        channel=chosen.channel,
        api_url=chosen.api_url,
        seal=slack_seal(chosen, store),
    )
    return (channel,)


def _telegram(alerts: AlertSettings, clock: Clock, store: OpenStore) -> Sequence[Channel]:
    """One channel for each chat."""
    chosen = alerts.of(TelegramSettings)
    if chosen is None:
        return ()
    from roundsman.alerts.channels.telegram import TelegramChannel

    token, seal = chosen.bot_token.reveal(), telegram_seal(chosen, store)
    return tuple(
        TelegramChannel(
            name,
            clock,
            bot_token=token,
            target=chat,
            api_url=chosen.api_url,
            seal=seal,
        )
        for name, chat in zip(chosen.names, chosen.chats, strict=True)
    )


def _email(alerts: AlertSettings, clock: Clock, store: OpenStore) -> Sequence[Channel]:
    chosen = alerts.of(EmailSettings)
    if chosen is None:
        return ()
    from roundsman.alerts.channels.email import EmailChannel, Security

    channel = EmailChannel(
        "email",
        clock,
        host=chosen.host,
        port=chosen.port,
        security=Security(chosen.security),
        sender=chosen.sender,
        recipients=chosen.recipients,
        user=chosen.user,
        password=chosen.password.reveal() if chosen.password else None,
    )
    return (channel,)


def _webhook(alerts: AlertSettings, clock: Clock, store: OpenStore) -> Sequence[Channel]:
    chosen = alerts.of(WebhookSettings)
    if chosen is None:
        return ()
    from roundsman.alerts.channels.webhook import WebhookChannel

    url, key = chosen.url.reveal(), chosen.signing_key.reveal()
    return (WebhookChannel("webhook", clock, url=url, secret=key, allow_private=chosen.allow_private),)


_KINDS: Mapping[str, Callable[[AlertSettings, Clock, OpenStore], Sequence[Channel]]] = {
    "console": _console,
    "slack": _slack,
    "telegram": _telegram,
    "email": _email,
    "webhook": _webhook,
}
