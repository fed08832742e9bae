"""Which alerts rise by their route, and when: unless somebody takes them before, or they end."""

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from roundsman.repositories.alerts import OPEN, Alert, AlertRepository
from roundsman.repositories.tables import alerts


class RiseRepository:
    """When alerts rise by their route. Every method works in the caller's transaction."""

    def earliest(self, connection: Connection) -> datetime | None:
        """When the first of them rises."""
        query = select(func.min(alerts.c.rise_at)).where(OPEN, alerts.c.rise_at.is_not(None))
        found: datetime | None = connection.execute(query).scalar()
        return found

    def due(self, connection: Connection, now: datetime, limit: int) -> list[tuple[Alert, int | None]]:
        """The alerts that rise now, and to which level; None: nobody is left who could be told."""
        query = (
            select(alerts.c.id, alerts.c.rise_to)
            .where(OPEN, alerts.c.rise_at.is_not(None), alerts.c.rise_at <= now)
            .order_by(alerts.c.rise_at, alerts.c.id)
            .limit(limit)
            .with_for_update(key_share=True, skip_locked=True)
        )
        levels = {row.id: row.rise_to for row in connection.execute(query)}
        return [(alert, levels[alert.id]) for alert in AlertRepository().find_all(connection, levels)]

    def plan(self, connection: Connection, alert_id: int, at: datetime | None, to: int | None) -> None:
        """Let it rise at this moment, unless somebody takes it or it ends before; None: it rises no further."""
        mine = update(alerts).where(alerts.c.id == alert_id, OPEN)
        connection.execute(mine.values(rise_at=at, rise_to=to))
