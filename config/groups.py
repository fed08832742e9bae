"""Settings that belong together, and the contradictions between them."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from config import catalogue as c
from config.reading import Values, without_password
from config.secret import Secret
from config.setting import Setting
from config.settings import AlertSettings, SlackSettings, StoreSettings, TelegramSettings


def store_of(values: Values, state_dir: Path) -> StoreSettings:
    """DATABASE_URL, or the DB_ settings, or SQLite in the state folder."""
    written = values.optional(c.DATABASE_URL)
    from_parts = _url_of_parts(values)
    if written and written.startswith("sqlite"):
        url = _sqlite_url(values.sources.directory / unquote(urlsplit(written).path)[1:])
    else:
        url = written or from_parts or _sqlite_url(state_dir / "roundsman.db")
    if written:
        _refuse_contradictions(values, written)
    source = "DB_ settings" if from_parts and not written else None
    values.replace_listed(c.DATABASE_URL, url, without_password(url), source)
    settings = StoreSettings(
        Secret(url),
        values.required(c.DB_POOL_SIZE),
        values.required(c.DB_SSL),
        values.required(c.DB_SSL_REJECT_UNAUTHORIZED),
    )
    if url.startswith("sqlite") and settings.ssl:
        values.notes.append("DB_SSL is on, but the store is a SQLite file: it has no effect.")
    return settings


def _url_of_parts(values: Values) -> str | None:
    host, name = values.optional(c.DB_HOST), values.optional(c.DB_NAME)
    port, user, password = values.required(c.DB_PORT), values.optional(c.DB_USER), values.optional(c.DB_PASS)
    if values.given(c.DATABASE_URL):
        return None
    if not host or not name:
        _refuse_a_half(values)
        return None
    if password and not user:
        values.faults.append("DB_PASS: is set without DB_USER; set DB_USER as well, or remove it.")
    login = quote(user, safe="") if user else ""
    if user and password:
        login += f":{quote(password, safe='')}"
    login += "@" if login else ""
    if host.startswith("/"):
        return f"postgresql://{login}/{quote(name, safe='')}?host={quote(host)}&port={port}"
    return f"postgresql://{login}{f'[{host}]' if ':' in host else host}:{port}/{quote(name, safe='')}"


def _refuse_a_half(values: Values) -> None:
    parts: tuple[Setting[Any], ...] = (c.DB_HOST, c.DB_NAME, c.DB_USER, c.DB_PASS, c.DB_PORT)
    given = [(setting, text) for setting in parts if (text := values.given(setting))]
    missing = " and ".join(setting.name for setting in parts[:2] if not values.given(setting))
    if given and missing:
        setting, text = given[0]
        values.faults.append(
            f"{text.label(setting.name)}: is set without {missing}; set {missing} as well, or remove {setting.name}."
        )


def _refuse_contradictions(values: Values, url: str) -> None:
    parts = urlsplit(url)
    stated: dict[Setting[Any], str | None] = {
        c.DB_HOST: parts.hostname,
        c.DB_NAME: None if url.startswith("sqlite") else unquote(parts.path[1:]),
        c.DB_USER: _decoded(parts, "username"),
        c.DB_PASS: _decoded(parts, "password"),
    }
    for setting, value in stated.items():
        given = values.given(setting)
        if given and given.text != value:
            values.fault(setting, "contradicts DATABASE_URL; remove one of the two")
    port = values.given(c.DB_PORT)
    if port and port.text != str(parts.port or ("" if url.startswith("sqlite") else c.DB_PORT.default)):
        values.fault(c.DB_PORT, "contradicts DATABASE_URL; remove one of the two")


def _decoded(parts: SplitResult, name: str) -> str | None:
    value: str | None = getattr(parts, name)
    return None if value is None else unquote(value)


def _sqlite_url(file: Path) -> str:
    return f"sqlite:///{quote(os.fsencode(file.absolute()))}"


def slack_of(values: Values) -> SlackSettings | None:
    """A webhook, or a bot's token and channel; None if neither is set."""
    webhook, token = values.optional(c.SLACK_WEBHOOK_URL), values.optional(c.SLACK_BOT_TOKEN)
    channel, api = values.optional(c.SLACK_CHANNEL), values.optional(c.SLACK_API_URL)
    has_webhook, has_token = values.given(c.SLACK_WEBHOOK_URL), values.given(c.SLACK_BOT_TOKEN)
    has_channel = values.given(c.SLACK_CHANNEL)
    if has_webhook and has_token:
        values.faults.append(
            f"{has_webhook.label('SLACK_WEBHOOK_URL')} and {has_token.label('SLACK_BOT_TOKEN')} are both set, "
            "so each alert would come twice; keep one of the two."
        )
    elif has_token and not values.tried(c.SLACK_CHANNEL):
        values.faults.append(
            f"{has_token.label('SLACK_BOT_TOKEN')}: is set without SLACK_CHANNEL; set the channel that it writes to."
        )
    elif has_channel and not has_webhook and not values.tried(c.SLACK_BOT_TOKEN):
        values.faults.append(
            f"{has_channel.label('SLACK_CHANNEL')}: is set without SLACK_BOT_TOKEN; set the token, or remove it."
        )
    elif has_webhook and has_channel:
        values.notes.append("SLACK_CHANNEL has no effect: a webhook writes to the channel that it was made for.")
    if api and not has_token:
        values.notes.append("SLACK_API_URL has no effect without SLACK_BOT_TOKEN.")
    if webhook:
        return SlackSettings(webhook_url=Secret(webhook))
    if token and channel:
        return SlackSettings(bot_token=Secret(token), channel=channel, api_url=api)
    return None


def telegram_of(values: Values) -> TelegramSettings | None:
    """A bot's token and its chats; None if neither is set."""
    token, chats = values.optional(c.TELEGRAM_BOT_TOKEN), values.optional(c.TELEGRAM_CHAT_ID)
    api = values.optional(c.TELEGRAM_API_URL)
    has_token, has_chats = values.given(c.TELEGRAM_BOT_TOKEN), values.given(c.TELEGRAM_CHAT_ID)
    if has_token and not values.tried(c.TELEGRAM_CHAT_ID):
        values.faults.append(
            f"{has_token.label('TELEGRAM_BOT_TOKEN')}: is set without TELEGRAM_CHAT_ID; set the chats it writes to."
        )
    if has_chats and not values.tried(c.TELEGRAM_BOT_TOKEN):
        values.faults.append(
            f"{has_chats.label('TELEGRAM_CHAT_ID')}: is set without TELEGRAM_BOT_TOKEN; set the token, or remove it."
        )
    if api and not has_token:
        values.notes.append("TELEGRAM_API_URL has no effect without TELEGRAM_BOT_TOKEN.")
    return TelegramSettings(Secret(token), chats, api) if token and chats else None


def alerts_of(values: Values, *, slack: bool, telegram: bool) -> AlertSettings:
    """The channels in use: the named ones, or the console and whatever is set up."""
    named = values.optional(c.ALERT_CHANNELS)
    needs = {"slack": "SLACK_WEBHOOK_URL or SLACK_BOT_TOKEN", "telegram": "TELEGRAM_BOT_TOKEN"}
    is_set_up = {"slack": slack, "telegram": telegram}
    for channel in named or ():
        if channel in needs and not is_set_up[channel]:
            values.fault(c.ALERT_CHANNELS, f"names {channel} without {needs[channel]}; set that, or remove {channel}")
    ready = tuple(channel for channel, yes in is_set_up.items() if yes)
    if named:
        values.notes.extend(
            f"ALERT_CHANNELS leaves out {channel}, which is set up." for channel in ready if channel not in named
        )
    channels = named or ("console", *ready)
    values.replace_listed(c.ALERT_CHANNELS, ",".join(channels), ",".join(channels))
    return AlertSettings(channels, values.required(c.ALERT_LANGUAGE))
