"""What another reading of the settings changed, for the log of a reload."""

from dataclasses import dataclass

from config.secret import Secret
from config.settings import InForce, Settings


@dataclass(frozen=True)
class Change:
    """One setting that is different now. Its text never shows a secret."""

    name: str
    before: str | None
    """As it may be shown; None if it was not set."""
    after: str | None
    needs_restart: bool

    def __str__(self) -> str:
        if self.before == self.after:  # two secrets
            text = f"{self.name}: changed"
        else:
            text = f"{self.name}: {self.before or 'not set'} -> {self.after or 'not set'}"
        return f"{text} (takes effect after a restart)" if self.needs_restart else text


def differences(old: Settings, new: Settings) -> list[Change]:
    """Every setting whose value differs, in the order of the table of settings, jobs last."""
    before = {item.name: item for item in old.in_force}
    after = {item.name: item for item in new.in_force}
    return [
        _change(name, before.get(name), after.get(name))
        for name in dict.fromkeys([*after, *before])
        if _value(before.get(name)) != _value(after.get(name))
    ]


def _change(name: str, before: InForce | None, after: InForce | None) -> Change:
    needs_restart = any(item.needs_restart for item in (before, after) if item)
    return Change(name, before.shown if before else None, after.shown if after else None, needs_restart)


def _value(item: InForce | None) -> str | Secret | None:
    return item.value if item else None
