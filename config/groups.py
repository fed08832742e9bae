"""Settings that belong together, and the contradictions between them."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from config import catalogue as c
from config.channels import KINDS
from config.reading import Values, without_password
from config.secret import Secret
from config.setting import Setting
from config.settings import AlertSettings, StoreSettings


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


def alerts_of(values: Values) -> AlertSettings:
    """The channels in use: the named ones, or the console and whatever is set up; and their settings."""
    named = values.optional(c.ALERT_CHANNELS)
    found = {kind.name: kind.read(values) for kind in KINDS}
    # Set but wrong is a fault of its own; saying "not set" as well would mislead
    ready = [kind.name for kind in KINDS if found[kind.name] is not None or any(map(values.given, kind.switches))]
    for kind in KINDS:
        if named and kind.name in named and kind.name not in ready:
            needed = " or ".join(setting.name for setting in kind.switches)
            values.fault(c.ALERT_CHANNELS, f"names {kind.name} without {needed}; set that, or remove {kind.name}")
    if named:
        values.notes.extend(
            f"ALERT_CHANNELS leaves out {channel}, which is set up." for channel in ready if channel not in named
        )
    channels = named or ("console", *ready)
    values.replace_listed(c.ALERT_CHANNELS, ",".join(channels), ",".join(channels))
    set_up = tuple(settings for settings in found.values() if settings is not None)
    answerers = values.optional(c.ALERT_ANSWERERS) or ()
    if answerers and not any(getattr(settings, "takes_answers", False) for settings in set_up):
        values.notes.append("ALERT_ANSWERERS has no effect without TELEGRAM_ANSWERS=on or SLACK_APP_TOKEN.")
    templates = beside(values, c.ALERT_TEMPLATES)
    return AlertSettings(channels, values.required(c.ALERT_LANGUAGE), set_up, templates, answerers)


def beside(values: Values, setting: Setting[str]) -> Path | None:
    """The path that a setting names; a relative one counts from the settings file."""
    given = values.given(setting) if values.optional(setting) else None
    if given is None:
        return None
    path = values.sources.beside(given).absolute()
    values.replace_listed(setting, str(path), str(path))
    return path
