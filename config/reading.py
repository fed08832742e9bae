"""From given texts to values: each setting is read once, its faults are collected, and what is in force is listed."""

import re
from typing import TypeVar
from urllib.parse import urlsplit

from config.secret import Secret
from config.setting import Setting
from config.settings import InForce
from config.sources import UNREADABLE, Given, Sources, is_plain_text, printable

T = TypeVar("T")
_LOOKS_SECRET = re.compile(r"xox[a-z]-\S+|xapp-\S+|[0-9]{5,}:[\w-]{20,}|://[^/\s]*@|hooks\.slack\.com/\S+")
_MOST_SHOWN = 80


class Values:
    """Reads settings out of the sources."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.in_force: list[InForce] = []
        self._given: dict[str, Given | None] = {}

    def given(self, setting: Setting[T]) -> Given | None:
        """The text of a setting and where it stands; None if it is nowhere."""
        if setting.name not in self._given:
            self._given[setting.name] = self._find(setting)
        return self._given[setting.name]

    def tried(self, setting: Setting[T]) -> bool:
        """Whether somebody meant to set it, even if it has no value for some fault of its own."""
        plain, sources = self.given(setting), self.sources
        name = setting.name
        return bool(plain or sources.plain(name) or sources.plain(f"{name}_FILE") or sources.credential(name))

    def optional(self, setting: Setting[T]) -> T | None:
        """The value; None if it is not set, or wrong (which is noted as a fault)."""
        given = self.given(setting)
        text = given.text if given else setting.default
        self._list(setting, text, given.place if given else "default")
        if text is None:
            return None
        try:
            return setting.read(text)
        except ValueError as error:
            self.fault(setting, str(error))
            return None

    def required(self, setting: Setting[T]) -> T:
        """The value of a setting that has a default. A wrong one is noted as a fault and stands as the default."""
        value = self.optional(setting)
        if value is not None:
            return value
        if setting.default is None:
            raise LookupError(f"{setting.name} has no default")
        return setting.read(setting.default)

    def leave_aside(self, setting: Setting[T]) -> Given | None:
        """List a setting that nothing uses as things are. It is not judged: others may have set it, for others."""
        given = self.sources.plain(setting.name)
        text = given.text if given and is_plain_text(given.text) else None
        hidden = text is not None and bool(_LOOKS_SECRET.search(text))
        self._list(setting, text, given.place if given and text else "default", hidden=hidden)
        return given

    def fault(self, setting: Setting[T], reason: str) -> None:
        """Note that a given value is wrong: `NAME (place): 'value' reason.`"""
        given = self.given(setting)
        if given is None:
            self.faults.append(f"{setting.name}: {reason}.")
            return
        shown = "the value" if setting.secret or _LOOKS_SECRET.search(given.text) else _quoted(given.text)
        self.faults.append(f"{given.label(setting.name)}: {shown} {reason}.")

    def replace_listed(self, setting: Setting[T], value: str, shown: str, source: str | None = None) -> None:
        """List a setting whose value was worked out from others."""
        (place,) = (place for place, item in enumerate(self.in_force) if item.name == setting.name)
        item = self.in_force[place]
        self.in_force[place] = InForce(
            item.name,
            item.value or (Secret(value) if setting.secret else value),
            shown,
            source or item.source,
            item.needs_restart,
        )

    def _find(self, setting: Setting[T]) -> Given | None:
        if not setting.secret:
            given = self.sources.plain(setting.name)
        else:
            given = self.sources.secret(setting.name, self.faults.append)
            if given and self.sources.plain(setting.name) and self.sources.credential(setting.name):
                self.notes.append(f"{given.label(setting.name)} is used, not the systemd credential of that name.")
        if given and not is_plain_text(given.text):
            self.faults.append(f"{given.label(setting.name)}: {UNREADABLE}.")
            return None
        return given

    def _list(self, setting: Setting[T], text: str | None, source: str, *, hidden: bool = False) -> None:
        secret = (setting.secret or hidden) and text is not None
        shown = "***" if secret else text
        value = Secret(text) if secret and text is not None else text
        self.in_force.append(InForce(setting.name, value, shown, source, setting.needs_restart))


def without_password(url: str) -> str:
    """The URL of a database or of Redis as it may be shown; `***` when in doubt."""
    try:
        parts = urlsplit(url)
        where = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "***"
    if parts.scheme.startswith("sqlite"):
        return url
    if "@" in parts.path or "@" in parts.query:
        return "***"  # an unquoted / or ? in the password
    user = f"{parts.username}:***@" if parts.password else f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{where}{port}{parts.path}"


def _quoted(text: str) -> str:
    return f"'{printable(text[:_MOST_SHOWN])}{'...' if len(text) > _MOST_SHOWN else ''}'"
