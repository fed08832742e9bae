"""Readers of the values that concern queues and runs; the sentences are made as in `config.fields`."""

import re
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, urlsplit

from config.fields import number

FOR_EVER = timedelta.max
"""What `never` is read as: None would mean that the setting has no value."""

_SQS = "https://sqs.eu-central-1.amazonaws.com/123456789012/roundsman"
_HOOK = "https://hooks.example.org/roundsman"
_SHORTEST_SECRET = 16
_REDIS = "redis://:PASSWORD@HOST:6379/0, rediss://... or unix:///run/redis/redis.sock"
_REDIS_OPTIONS = ("db",)
_REDISS_OPTIONS = (
    "db", "ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname",
)  # fmt: skip
"""The client takes any word and fails with it at the first connection, or later."""


def queue_name(value: str) -> str:
    """A word that may begin the name of every key."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
        raise ValueError("is no name of a queue; write up to 63 lower-case letters, digits and dashes")
    return value


def redis_url(value: str) -> str:
    """A Redis URL of which every part is understood: the client itself passes over what it does not understand."""
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a Redis URL; characters such as / # @ in the password must be %-encoded") from None
    if parts.scheme not in ("redis", "rediss", "unix") or "://" not in value or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(f"is no Redis URL; write {_REDIS}")
    if "@" in parts.path or "@" in parts.query or "#" in value:
        raise ValueError("holds an @ or # behind the host; such characters in the password must be %-encoded")
    if parts.username and parts.password is None:
        raise ValueError("names a user without a password; a password alone is written with its colon, ://:PASSWORD@")
    _judge_redis_place(parts, host)
    _judge_redis_options(parts)
    return value


def _judge_redis_place(parts: SplitResult, host: str | None) -> None:
    if parts.scheme == "unix":
        if host or not parts.path.strip("/"):
            raise ValueError("names no socket; write three slashes and its path, unix:///run/redis/redis.sock")
    elif not host:
        raise ValueError(f"names no host; write {_REDIS}")
    elif not re.fullmatch(r"/?|/[0-9]{1,5}", parts.path):
        raise ValueError("ends in no database's number; write /0, or leave it away")


def _judge_redis_options(parts: SplitResult) -> None:
    allowed = _REDISS_OPTIONS if parts.scheme == "rediss" else _REDIS_OPTIONS
    options = parse_qsl(parts.query, keep_blank_values=True)
    if any(name not in allowed for name, _ in options):
        # Not repeated: it may be the rest of a password
        raise ValueError(f"holds an option behind the ? that is none of {', '.join(allowed)}; remove it")
    if any(name == "db" and not re.fullmatch(r"[0-9]{1,5}", text) for name, text in options):
        raise ValueError("holds a db that is no number; write ?db=0, or leave it away")


def sqs_url(value: str) -> str:
    """The URL of an SQS queue, or of one of a stand-in."""
    parts = _web(value, f"is no queue's URL; copy the whole one, such as {_SQS}")
    if not parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"names no queue; copy the whole URL, such as {_SQS}")
    return value


def region_in(url: str) -> str | None:
    """The region that a queue's URL tells; None if it tells none, as those of stand-ins do."""
    host = urlsplit(url).hostname or ""
    found = re.search(r"(?:^|\.)sqs(?:-fips)?\.([a-z]{2,}(?:-[a-z]+)+-[0-9])\.", host)
    found = found or re.search(r"^([a-z]{2,}(?:-[a-z]+)+-[0-9])\.queue\.amazonaws\.com", host)  # the older kind
    return found[1] if found else "us-east-1" if host == "queue.amazonaws.com" else None


def endpoint_in(url: str) -> str | None:
    """The address before a queue's path; None for a queue that is with Amazon, where the region is enough."""
    parts = urlsplit(url)
    if re.search(r"(^|\.)(amazonaws\.com(\.cn)?|api\.aws)$", parts.hostname or "") and ".vpce." not in parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}"


def region(value: str) -> str:
    """A region's name; stand-ins have names of their own."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,63}", value):
        raise ValueError("is no region; write one such as eu-central-1")
    return value


def endpoint(value: str) -> str:
    """Where a service is; requests are signed, so they may go through http."""
    parts = _web(value, "is no address; write one such as http://127.0.0.1:4566")
    if parts.query or parts.fragment:
        raise ValueError("holds more than an address; leave away what stands behind the ? or #")
    return value


def hook_url(value: str) -> str:
    """Where events are posted to. Whether http will do depends on another setting."""
    parts = _web(value, f"is no web address; write one such as {_HOOK}")
    if parts.fragment:
        raise ValueError("holds a # that would not be sent; leave away what stands behind it")
    return value


def is_inside(url: str) -> bool:
    """Whether the URL itself says that it leads into a private network or to this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def signing_secret(value: str) -> str:
    """A secret that nobody guesses."""
    if len(value) < _SHORTEST_SECRET:
        raise ValueError(f"is shorter than {_SHORTEST_SECRET} characters; write a random one: openssl rand -hex 32")
    return value


def hours_or_never(value: str) -> timedelta:
    """How long something is kept. Zero is not taken: it might mean both."""
    if value.lower() == "never":
        return FOR_EVER
    try:
        return timedelta(hours=number(above=0, up_to=87_600, of="hours")(value))
    except ValueError as error:
        raise ValueError(f"{error}; write `never` to keep them for ever") from None


def _web(value: str, reason: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(reason) from None
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(reason)
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password; leave them out of the address")
    return parts
