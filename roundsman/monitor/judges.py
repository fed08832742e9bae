"""Daemons on one store that judge conversations by other policies, so that alerts open and end in turn. Pure."""

from collections.abc import Iterable
from datetime import datetime

from roundsman.repositories.daemons import DaemonRecord


def other_judges(daemons: Iterable[DaemonRecord], version: str, now: datetime) -> list[DaemonRecord]:
    """The living ones whose policies are not those of this version."""
    return [each for each in daemons if each.policies not in (None, version) and each.is_alive(now)]


def dissent(judge: DaemonRecord, version: str, here: str) -> str:
    """A sentence about one of them; `here` is who goes by this version."""
    return (
        f"The daemon on {judge.host} (process {judge.pid}) judges conversations by other policies than {here} "
        f"({judge.policies}, here {version}), so alerts may be opened and resolved in turn: give both the same "
        "POLICIES_FILE and CONVERSATION_ settings, then reload or restart them."
    )
