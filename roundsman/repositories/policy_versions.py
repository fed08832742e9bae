"""By which policies conversations were judged, and since when."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from roundsman.repositories.conversation_tables import policy_versions


class PolicyVersionRepository:
    """Every method works in the caller's transaction."""

    def current(self, connection: Connection) -> str | None:
        """The version in force; None before the first round of a monitor."""
        return connection.execute(_NEWEST).scalar_one_or_none()

    def take_over(self, connection: Connection, version: str, now: datetime) -> None:
        """From now on this one is in force."""
        connection.execute(insert(policy_versions).values(version=version, since_at=now))

    def in_force_since(self, connection: Connection, version: str) -> datetime | None:
        """Since when this version is the one in force; None if it is not."""
        row = connection.execute(
            select(policy_versions.c.version, policy_versions.c.since_at).order_by(policy_versions.c.id.desc()).limit(1)
        ).one_or_none()
        return row.since_at if row is not None and row.version == version else None


_NEWEST = select(policy_versions.c.version).order_by(policy_versions.c.id.desc()).limit(1)
