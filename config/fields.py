"""Readers of single values: text in, value out, or ValueError with the second half of a sentence.

The sentence begins with the setting's name and the value as written (unless secret), and goes on with this half:
`LOG_LEVEL: 'loud' is no log level; choose from ...`.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1")
_DATABASES = ("sqlite", "sqlite+pysqlite", "postgres", "postgresql", "postgresql+psycopg")


def text(value: str) -> str:
    """Any text."""
    return value


def choice(*allowed: str, also: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """One of these words in any case; `also` maps further spellings."""

    def read(value: str) -> str:
        word = (also or {}).get(value.lower(), value.lower())
        if word not in allowed:
            raise ValueError(f"is not one of {', '.join(allowed)}")
        return word

    return read


def on_or_off(value: str) -> bool:
    """A switch."""
    word = value.lower()
    if word in ("on", "true", "yes", "1"):
        return True
    if word in ("off", "false", "no", "0"):
        return False
    raise ValueError("is neither on nor off")


def number(*, above: float, up_to: float, of: str) -> Callable[[str], float]:
    """A decimal number of something, `above` excluded."""

    def read(value: str) -> float:
        if not _NUMBER.fullmatch(value) or not above < float(value) <= up_to:
            raise ValueError(f"is not a number of {of} above {above:g} and up to {up_to:g}")
        return float(value)

    return read


def whole_number(*, at_least: int, up_to: int, of: str = "") -> Callable[[str], int]:
    """A whole number, of something if that is not plain, both ends included."""
    kind = f"whole number of {of}" if of else "whole number"

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not at_least <= int(value) <= up_to:
            raise ValueError(f"is not a {kind} from {at_least} to {up_to}")
        return int(value)

    return read


def time_zone(value: str) -> ZoneInfo:
    """A name of the time zone database."""
    try:
        return ZoneInfo(value)
    except (OSError, ValueError, KeyError):  # KeyError: ZoneInfoNotFoundError; OSError: the name of a folder
        raise ValueError("is no time zone; write one such as Europe/Berlin or Asia/Ho_Chi_Minh") from None


def folder(value: str) -> str:
    """A path; `~` is a shell's word."""
    if value.startswith("~"):
        raise ValueError("begins with ~, which only a shell understands; write the whole path")
    return value


def file(value: str) -> str:
    """The name of a file; `~` is a shell's word."""
    return folder(value)


def web_address(value: str) -> str:
    """An https address, or http to this machine: a token must not cross a network in the clear."""
    parts = _split(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password; leave them out of the address")
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        return value
    if parts.scheme != "https":
        raise ValueError("is not an https:// address (http:// is accepted for this machine only)")
    return value


def is_loopback(host: str) -> bool:
    """Whether the host says by itself that it is this machine."""
    return _LOOPBACK.fullmatch(host) is not None


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("is not a web address")
    return parts


def host(value: str) -> str:
    """A host name, an address, or the folder of a Unix socket."""
    if not re.fullmatch(r"/[^\s?#%]*|[A-Za-z0-9._:-]{1,255}", value):
        raise ValueError("is no host name; write one such as db.example.org, or the folder of a socket")
    return value


def database_name(value: str) -> str:
    """A database's name; a whole URL would be shown, with its password."""
    if "://" in value:
        raise ValueError("is no database name; write the name alone, or put the URL into DATABASE_URL")
    return value


def database_url(value: str) -> str:
    """A database URL that names a file or a database."""
    try:
        parts = urlsplit(value)
        _port = parts.port
    except ValueError:
        raise ValueError("is not a database URL; characters such as / # @ in the password must be %-encoded") from None
    if parts.scheme not in _DATABASES or "://" not in value:
        raise ValueError("is no database URL; write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
    if parts.scheme.startswith("sqlite"):
        if parts.netloc or parts.query or PurePosixPath(parts.path).name in ("", ":memory:"):
            raise ValueError("names no SQLite file; write sqlite:////var/lib/roundsman/roundsman.db (four slashes)")
    elif "@" in parts.path or "@" in parts.query or "@" in parts.fragment:
        raise ValueError("holds an @ after the host; characters such as / # ? @ in the password must be %-encoded")
    elif not parts.path.strip("/"):
        raise ValueError("names no database; end it with /NAME")
    return value
