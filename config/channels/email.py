"""The settings of e-mail: the server that takes the messages, and whom they are for.

SMTP_HOST and its like stand in many an environment, for other programs; SMTP_TO is what makes alerts go there.
"""

import re
from dataclasses import dataclass
from typing import Any

from config import fields
from config.channels.kind import ChannelKind
from config.reading import Values
from config.secret import Secret
from config.setting import Setting

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
"""What every server takes: no quoted names, no letters beyond ASCII."""
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class EmailSettings:
    """One server, one sender, one or more recipients."""

    host: str
    port: int
    security: str
    """`starttls`, `tls` or `none`."""
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: Secret | None = None


def _address(value: str) -> str:
    """One address, without a name beside it."""
    if not _ADDRESS.fullmatch(value) or ".." in value:
        raise ValueError("is no e-mail address; write it alone, such as alerts@example.org")
    return value


def _addresses(value: str) -> tuple[str, ...]:
    """Addresses, separated by commas."""
    found = tuple(dict.fromkeys(each.strip() for each in value.split(",") if each.strip()))
    if not found:
        raise ValueError("holds no e-mail address; write one such as lan@example.org, or several with commas")
    try:
        return tuple(_address(each) for each in found)
    except ValueError:
        raise ValueError("is no list of e-mail addresses; write lan@example.org,minh@example.org") from None


def _host(value: str) -> str:
    """A host's name or address."""
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,255}", value):
        raise ValueError("is no host name; write one such as smtp.example.org, without a port")
    return value


def _login(value: str) -> str:
    """What can be sent as it is."""
    if not value.isascii():
        raise ValueError("holds letters beyond ASCII, which logins of mail servers do not know; choose another one")
    return value


HOST: Setting[str] = Setting("SMTP_HOST", _host, "The mail server that takes the alerts.", example="smtp.example.org")
PORT: Setting[int] = Setting(
    "SMTP_PORT", fields.whole_number(at_least=1, up_to=65535),
    "Its port; by default 587 for starttls, 465 for tls, 25 for none.", example="587",
)  # fmt: skip
SECURITY: Setting[str] = Setting(
    "SMTP_SECURITY", fields.choice("starttls", "tls", "none"),
    "How the connection is encrypted: starttls, tls (from the first byte) or none.", "starttls",
)  # fmt: skip
ALLOW_PLAIN: Setting[bool] = Setting(
    "SMTP_ALLOW_PLAIN", fields.on_or_off, "Whether `none` may lead to another machine than this one.", "off"
)
USER: Setting[str] = Setting("SMTP_USER", _login, "Whom to log in as.", example="alerts@example.org")
PASS: Setting[str] = Setting("SMTP_PASS", _login, "The password.", example="PASSWORD", secret=True)
FROM: Setting[str] = Setting(
    "SMTP_FROM", _address, "Who the alerts are from; without it, SMTP_USER if that is an address.",
    example="alerts@example.org",
)  # fmt: skip
TO: Setting[tuple[str, ...]] = Setting(
    "SMTP_TO", _addresses, "Whom they are for, separated by commas.", example="lan@example.org,minh@example.org"
)


def _read(values: Values) -> EmailSettings | None:
    recipients = values.optional(TO)
    if not values.tried(TO):
        _leave_aside(values)
        return None
    host, port, sender = values.optional(HOST), values.optional(PORT), values.optional(FROM)
    user, password = values.optional(USER), values.optional(PASS)
    security, allow_plain = values.required(SECURITY), values.required(ALLOW_PLAIN)
    if user and not values.tried(FROM) and _ADDRESS.fullmatch(user):
        sender = user
        values.replace_listed(FROM, user, user, USER.name)
    _refuse_halves(values, sender)
    if host and security == "none" and not (allow_plain or fields.is_loopback(host)):
        values.fault(
            SECURITY, "would send alerts, and the password, in the clear to another machine; choose starttls or tls, "
            "or set SMTP_ALLOW_PLAIN=on if that is meant",
        )  # fmt: skip
    if not host or not sender or not recipients:
        return None
    if port is None:
        port = _PORTS[security]
        values.replace_listed(PORT, str(port), str(port), f"{SECURITY.name}={security}")
    return EmailSettings(host, port, security, sender, recipients, user, Secret(password) if password else None)


def _refuse_halves(values: Values, sender: str | None) -> None:
    to = values.given(TO)
    label = to.label(TO.name) if to else TO.name
    if not values.tried(HOST):
        values.faults.append(f"{label}: is set without SMTP_HOST; set the mail server that takes the alerts.")
    if sender is None and not values.tried(FROM):
        values.faults.append(f"{label}: is set without SMTP_FROM; set the address that the alerts are from.")
    for one, other in ((USER, PASS), (PASS, USER)):
        given = values.given(one)
        if given and not values.tried(other):
            values.faults.append(
                f"{given.label(one.name)}: is set without {other.name}; set {other.name} as well, or remove it."
            )


def _leave_aside(values: Values) -> None:
    """Somebody may have set the others for other programs, so they are not judged."""
    others: tuple[Setting[Any], ...] = (HOST, PORT, SECURITY, ALLOW_PLAIN, USER, PASS, FROM)
    for setting in others:
        values.leave_aside(setting)
    tried = [setting.name for setting in others if values.tried(setting)]
    if tried:
        verb = "has" if len(tried) == 1 else "have"
        values.notes.append(f"{', '.join(tried)} {verb} no effect without SMTP_TO: no alert is sent by e-mail.")


KIND = ChannelKind(
    "email",
    (HOST, PORT, SECURITY, ALLOW_PLAIN, USER, PASS, FROM, TO),
    switches=(TO,),
    set_up_by="SMTP_HOST, SMTP_FROM and SMTP_TO",
    read=_read,
)
