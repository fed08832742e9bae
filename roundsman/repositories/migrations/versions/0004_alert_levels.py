"""Alerts that rise by levels, messages that tell of many of them, and a log of who was told."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from roundsman.repositories.columns import BigId, Json, UtcTime

revision = "0004"
down_revision = "0003"


_ALERTS = sa.table(
    "alerts",
    sa.column("id", BigId),
    sa.column("level", sa.Integer()),
    sa.column("opened_at", UtcTime()),
    sa.column("resolved_at", UtcTime()),
    sa.column("resolution", sa.Text()),
)
_NOTIFICATIONS = sa.table(
    "notifications",
    sa.column("id", BigId),
    sa.column("alert_id", BigId),
    sa.column("channel", sa.Text()),
    sa.column("event", sa.Text()),
    sa.column("status", sa.Text()),
    sa.column("level", sa.Integer()),
    sa.column("finished_at", UtcTime()),
    sa.column("receipt", Json),
    sa.column("error", sa.Text()),
)
_LOG = sa.table(
    "alert_log",
    sa.column("alert_id", BigId),
    sa.column("at", UtcTime()),
    sa.column("event", sa.Text()),
    sa.column("level", sa.Integer()),
    sa.column("channel", sa.Text()),
    sa.column("detail", Json),
)
_ENDS = {"sent": "told", "failed": "gave_up", "cancelled": "cancelled"}


def _write_log_of_before(connection: sa.Connection) -> None:
    """What became of the alerts so far, from what is known of them and their messages: whoever asks why somebody was
    told looks into the log alone."""
    channels: dict[int, list[str]] = {}
    entries: list[tuple[Any, ...]] = []
    for row in connection.execute(sa.select(_NOTIFICATIONS).order_by(_NOTIFICATIONS.c.id)):
        if row.event == "firing":
            channels.setdefault(row.alert_id, []).append(row.channel)
        if row.status in _ENDS and row.finished_at is not None:
            why = {"words": (row.receipt or {}).get("words")} if row.status == "sent" else {"reason": row.error}
            detail = {"news": row.event, **why}
            entries.append((row.alert_id, row.finished_at, _ENDS[row.status], row.level, row.channel, detail))
    for row in connection.execute(sa.select(_ALERTS)):
        known = {"channels": channels[row.id]} if row.id in channels else None
        entries.append((row.id, row.opened_at, "opened", row.level, None, known))
        if row.resolved_at is not None:
            entries.append((row.id, row.resolved_at, "resolved", row.level, None, {"reason": row.resolution}))
    entries.sort(key=lambda entry: entry[1])
    if entries:
        connection.execute(_LOG.insert(), [dict(zip(_LOG.c.keys(), each, strict=True)) for each in entries])


def upgrade() -> None:
    op.create_table(
        "alert_log",
        sa.Column("id", BigId, sa.Identity(always=False), nullable=False),
        sa.Column("alert_id", BigId, nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("detail", Json, nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_alert_log_alert_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_log")),
    )
    with op.batch_alter_table("alert_log", schema=None) as batch_op:
        batch_op.create_index("ix_alert_log_alert_id", ["alert_id", "id"], unique=False)

    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("facts_at", UtcTime(), nullable=True))
        batch_op.add_column(sa.Column("taken_by", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("taken_until", UtcTime(), nullable=True))

    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.add_column(sa.Column("level", sa.Integer(), server_default=sa.text("1"), nullable=False))
        batch_op.add_column(sa.Column("rank", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("audience", Json, nullable=True))
        batch_op.add_column(sa.Column("is_digest", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.add_column(sa.Column("maybe_sent", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        batch_op.add_column(sa.Column("edits", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("edit_after", UtcTime(), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_notifications_alert_id_channel_event"), type_="unique")
        batch_op.drop_index(
            batch_op.f("ix_notifications_open"),
            sqlite_where=sa.text("status IN ('pending', 'sending')"),
            postgresql_where=sa.text("status IN ('pending', 'sending')"),
        )
        batch_op.create_index(
            "ix_notifications_open",
            ["channel", "rank", "id"],
            unique=False,
            sqlite_where=sa.text("status IN ('pending', 'sending')"),
            postgresql_where=sa.text("status IN ('pending', 'sending')"),
        )
        batch_op.create_index("ix_notifications_alert_id", ["alert_id"], unique=False)
    # What was told so far: each message of one alert, and each end of the message that it changes
    op.execute(
        "UPDATE notifications SET level = (SELECT level FROM alerts WHERE alerts.id = notifications.alert_id),"
        " rank = (SELECT CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2"
        " WHEN 'low' THEN 3 ELSE 4 END * 1000 + 999 - CASE WHEN notifications.event = 'firing' THEN level ELSE 0 END"
        " FROM alerts WHERE alerts.id = notifications.alert_id)"
    )
    op.execute(
        "UPDATE notifications SET edits = (SELECT firing.id FROM notifications AS firing"
        " WHERE firing.alert_id = notifications.alert_id AND firing.channel = notifications.channel"
        " AND firing.event = 'firing') WHERE event = 'resolved'"
    )
    _write_log_of_before(op.get_bind())
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index(
            "uq_notifications_edits",
            ["edits"],
            unique=True,
            sqlite_where=sa.text("status = 'pending' AND edits IS NOT NULL"),
            postgresql_where=sa.text("status = 'pending' AND edits IS NOT NULL"),
        )

    op.create_table(
        "notification_alerts",
        sa.Column("notification_id", BigId, autoincrement=False, nullable=False),
        sa.Column("alert_id", BigId, autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_notification_alerts_alert_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_notification_alerts_notification_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notification_id", "alert_id", name=op.f("pk_notification_alerts")),
        sa.UniqueConstraint(
            "alert_id", "channel", "event", "level", name=op.f("uq_notification_alerts_alert_id_channel_event_level")
        ),
    )
    op.execute("UPDATE notifications SET maybe_sent = true WHERE status = 'pending' AND attempts > 0 AND error IS NULL")
    op.execute(
        "INSERT INTO notification_alerts (notification_id, alert_id, channel, event, level)"
        " SELECT id, alert_id, channel, event, level FROM notifications"
    )
