"""The channels that the settings ask for."""

from config import Settings
from roundsman.alerts.channels import ChannelOptions, SlackOptions, TelegramOptions, build_channels
from roundsman.alerts.channels.base import Channel
from roundsman.clock import Clock


def channels_of(settings: Settings, clock: Clock) -> tuple[Channel, ...]:
    """Build every channel of ALERT_CHANNELS, without connecting to anything."""
    wanted = settings.alerts.channels
    options = ChannelOptions(
        console="console" in wanted,
        slack=_slack(settings) if "slack" in wanted else None,
        telegram=_telegram(settings) if "telegram" in wanted else None,
    )
    return build_channels(options, clock)


def _slack(settings: Settings) -> SlackOptions | None:
    chosen = settings.slack
    if chosen is None:
        return None
    return SlackOptions(
        webhook_url=chosen.webhook_url.reveal() if chosen.webhook_url else None,
        bot_token=chosen.bot_token.reveal() if chosen.bot_token else None,
        channels=(chosen.channel,) if chosen.channel else (),
        api_url=chosen.api_url,
    )


def _telegram(settings: Settings) -> TelegramOptions | None:
    chosen = settings.telegram
    if chosen is None:
        return None
    return TelegramOptions(bot_token=chosen.bot_token.reveal(), chats=chosen.chats, api_url=chosen.api_url)
