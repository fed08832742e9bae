"""Who may answer alerts from chat, besides the staff that the file of policies names."""

import re
from dataclasses import dataclass

_FORM = re.compile(r"(telegram):([1-9][0-9]{0,19})(?:=(.+))?|(slack):([UW][A-Z0-9]{2,20})(?:=(.+))?")
_LONGEST_NAME = 60


@dataclass(frozen=True)
class AnswererSetting:
    """One person, as one service knows them."""

    service: str
    id: str
    name: str
    """What messages and logs call them."""


def answerers(value: str) -> tuple[AnswererSetting, ...]:
    """A comma-separated list of ids, each with its service and, if wanted, a name."""
    return tuple(_answerer(part.strip()) for part in value.split(",") if part.strip())


def _answerer(part: str) -> AnswererSetting:
    found = _FORM.fullmatch(part)
    if found is None:
        raise ValueError("is no list of people; write telegram:123456789=Lan or slack:U0123ABCD=Lan, with commas")
    service, number, name = (
        first or second for first, second in zip(found.groups()[:3], found.groups()[3:], strict=True)
    )
    name = (name or f"{service}:{number}").strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"names somebody with more than {_LONGEST_NAME} characters, or none; shorten it")
    return AnswererSetting(service, number, name)
