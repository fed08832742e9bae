"""From texts to values, for MongoDB. ValueError holds the second half of a sentence, never the value of a secret."""

import re
from urllib.parse import unquote, urlsplit

_EXAMPLE = "mongodb://USER:PASSWORD@HOST:27017/NAME or mongodb+srv://USER:PASSWORD@HOST/NAME"
_HOSTS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+|[A-Za-z0-9._%-]+\.sock)(:[0-9]{1,5})?")


def mongo_url(value: str) -> str:
    """The URL of a MongoDB. What its options mean is left to the driver."""
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(f"is no MongoDB URL; write {_EXAMPLE}") from None
    if parts.scheme not in ("mongodb", "mongodb+srv") or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(f"is no MongoDB URL; write {_EXAMPLE}")
    login, _, hosts = parts.netloc.rpartition("@")
    if "@" in login or "@" in parts.path or parts.fragment:
        raise ValueError(
            "has a reserved character in the user or password; write / # ? @ : there as %2F %23 %3F %40 %3A"
        )
    if not hosts or not all(_HOSTS.fullmatch(host) for host in hosts.split(",")):
        raise ValueError(f"names no host as MongoDB writes them; write {_EXAMPLE}")
    if parts.scheme == "mongodb+srv" and ("," in hosts or ":" in hosts):
        raise ValueError("is a mongodb+srv:// one with more than a host's name; leave away ports and further hosts")
    name = database_in(value)
    if name is not None:
        try:
            database_name(name)
        except ValueError:
            raise ValueError("ends in no database's name; write /NAME, or set MONGO_DB") from None
    return value


def database_in(url: str) -> str | None:
    """The database that a URL names; None if it names none."""
    return unquote(urlsplit(url).path[1:]) or None


def database_name(value: str) -> str:
    """A name that MongoDB takes."""
    if not re.fullmatch(r"[^\s/\\.\"$*<>:|?\x00]{1,63}", value):
        raise ValueError("is no database's name; it has at most 63 characters and no blank, dot, slash or $")
    return value


def collection_name(value: str) -> str:
    """A name that MongoDB takes."""
    if not re.fullmatch(r"(?!system\.)[^\s$\x00]{1,120}", value):
        raise ValueError("is no collection's name; it has no blank and no $, nor does it begin with `system.`")
    return value
