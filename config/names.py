"""Names that nobody knows: a mistyped setting must not be ignored in silence."""

from collections.abc import Iterable

from config.catalogue import (
    FACTS,
    LATER,
    LATER_PREFIXES,
    NODE_ENV,
    OWN_PREFIXES,
    SETTINGS,
    SHARED_PREFIXES,
)
from config.sources import ENV_FILE, Sources, printable

_KNOWN = frozenset(
    {setting.name for setting in SETTINGS}
    | {f"{setting.name}_FILE" for setting in SETTINGS if setting.secret}
    | {ENV_FILE, NODE_ENV}
)


def fact_in(name: str, family: str) -> tuple[str, str] | None:
    """`JOB_DAILY_REPORT_CATCH_UP` to `("daily_report", "catch_up")`; None if the name is not of this family."""
    if not name.startswith(family):
        return None
    # TIME_ZONE before any shorter fact that a later release may add with the same end
    for fact in sorted(FACTS[family], key=len, reverse=True):
        owner = name.removeprefix(family).removesuffix(f"_{fact}")
        if name.endswith(f"_{fact}") and owner and name != f"{family}{fact}":
            return owner.lower(), fact.lower()
    return None


def judge_names(sources: Sources) -> tuple[list[str], list[str]]:
    """Faults and notes about the names that were used, in the file and in the environment."""
    faults: list[str] = []
    notes: list[str] = []
    for name, given in sources.lines.items():
        if name == ENV_FILE:
            faults.append(f"{given.label(name)}: belongs into the environment of the process, not into the file.")
        elif _is_known(name):
            continue
        elif _is_later(name):
            notes.append(f"{given.label(name)} is set but nothing uses it yet.")
        else:
            faults.append(f"{given.label(printable(name))}: no such setting; {_advice(name)}")
    for name, given in sources.environment.items():
        if _is_known(name):
            continue
        if name in LATER or (_is_later(name) and not name.startswith("AWS_")):  # AWS_: set for many other tools
            notes.append(f"{given.label(name)} is set but nothing uses it yet.")
        elif name.startswith(OWN_PREFIXES):
            faults.append(f"{printable(name)}: no such setting; {_advice(name)}")
        elif name.startswith(SHARED_PREFIXES) and _nearest(name):
            notes.append(f"{printable(name)} is no setting of ours and is ignored; {_advice(name)}")
    return faults, notes


def _is_known(name: str) -> bool:
    return name in _KNOWN or any(fact_in(name, family) for family in FACTS)


def _is_later(name: str) -> bool:
    plain = name.removesuffix("_FILE")
    return plain in LATER or plain.startswith(LATER_PREFIXES)


def _advice(name: str) -> str:
    nearest = _nearest(name)
    return f"did you mean {nearest}?" if nearest else "remove it; config/example.env lists all."


def _nearest(name: str) -> str | None:
    from difflib import get_close_matches

    candidates: Iterable[str] = _KNOWN
    family = next((prefix for prefix in FACTS if name.startswith(prefix)), None)
    if family:
        # Any part of the name may be the job's own, so its end alone is compared with the facts
        parts = name.removeprefix(family).split("_")
        owners = [family + "_".join(parts[:place]) for place in range(1, len(parts))]
        candidates = [f"{owner}_{fact}" for owner in owners for fact in FACTS[family]]
    found = get_close_matches(name.upper(), candidates, n=1, cutoff=0.8)
    return found[0] if found else None
