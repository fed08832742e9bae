"""The daemons that share this store: one row each, refreshed at every round.

The heartbeat is the store's own proof of life (the watchdog is fed only after it was written), what `roundsman
status` shows, and the lease of daemons on other machines, whose death nobody here can see in /proc.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from roundsman.owner import Owner, dead_owners
from roundsman.repositories.driving import DrivingFacts
from roundsman.repositories.engine import upserting
from roundsman.repositories.tables import daemons

STALE_AFTER = timedelta(seconds=90)
"""Nine rounds without a heartbeat: what such a process holds is taken over."""

_POLICIES = "policies"
_PAGES = "pages"


@dataclass(frozen=True)
class DaemonRecord:
    """One daemon as it last described itself."""

    owner: str
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime
    status: str
    driving: DrivingFacts | None = None
    """The settings by which it drives runs; None if it drives none."""
    policies: str | None = None
    """The version of the policies by which it judges conversations; None if it judges none."""
    pages: frozenset[str] | None = frozenset()
    """The pages that its settings have read from Pancake; None: it does not know all of them yet."""

    def is_alive(self, now: datetime) -> bool:
        """As far as this machine can tell."""
        return now - self.heartbeat_at <= STALE_AFTER and not Owner.parse(self.owner).surely_dead()


class DaemonRepository:
    """Methods take the connection of the caller's transaction."""

    def beat(self, connection: Connection, record: DaemonRecord) -> None:
        """Write this daemon's row."""
        values = {
            "owner": record.owner,
            "host": record.host,
            "pid": record.pid,
            "version": record.version,
            "started_at": record.started_at,
            "heartbeat_at": record.heartbeat_at,
            "status": record.status,
            "driving": _as_json(record),
        }
        changed = connection.execute(update(daemons).where(daemons.c.owner == record.owner).values(values))
        if changed.rowcount == 0:
            insert = upserting(connection)
            connection.execute(insert(daemons).values(values).on_conflict_do_nothing())

    def leave(self, connection: Connection, owner: Owner) -> None:
        """Remove this daemon's row at an orderly stop."""
        connection.execute(delete(daemons).where(daemons.c.owner == str(owner)))

    def sweep(self, connection: Connection, now: datetime) -> list[str]:
        """Remove the rows of daemons that are dead or silent; returns their owners."""
        owners = set(connection.execute(select(daemons.c.owner)).scalars())
        gone = dead_owners(owners) | stale_owners(connection, owners, now)
        if gone:
            connection.execute(delete(daemons).where(daemons.c.owner.in_(gone)))
        return sorted(gone)

    def all(self, connection: Connection) -> list[DaemonRecord]:
        """Every daemon that has not left, also silent ones."""
        rows = connection.execute(select(daemons).order_by(daemons.c.started_at))
        return [
            DaemonRecord(
                row.owner,
                row.host,
                row.pid,
                row.version,
                row.started_at,
                row.heartbeat_at,
                row.status,
                DrivingFacts.parse(row.driving),
                _policies(row.driving),
                _pages(row.driving),
            )
            for row in rows
        ]


def _as_json(record: DaemonRecord) -> dict[str, Any]:
    """What it goes by. A row without the facts about runs is one of a daemon that drives none, to every version."""
    facts: dict[str, Any] = {} if record.driving is None else {**record.driving.as_json()}
    if record.policies is not None:
        facts[_POLICIES] = record.policies
    facts[_PAGES] = None if record.pages is None else sorted(record.pages)
    return facts


def _policies(stored: Any) -> str | None:
    version = stored.get(_POLICIES) if isinstance(stored, Mapping) else None
    return version if isinstance(version, str) else None


def _pages(stored: Any) -> frozenset[str] | None:
    """None as well where a version wrote the row that tells nothing of them."""
    pages = stored.get(_PAGES) if isinstance(stored, Mapping) else None
    return None if pages is None else frozenset(map(str, pages))


def stale_owners(connection: Connection, owners: set[str], now: datetime) -> set[str]:
    """Of these, the ones with an old heartbeat. One without a row counts as alive: it may be a foreground command."""
    if not owners:
        return set()
    query = select(daemons.c.owner).where(daemons.c.owner.in_(owners), daemons.c.heartbeat_at < now - STALE_AFTER)
    return set(connection.execute(query).scalars())
