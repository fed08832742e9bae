"""Messages that are held back, alerts that rise by their route, and silences."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from roundsman.repositories.columns import BigId, Json, UtcTime

revision = "0007"
down_revision = "0006"

_OLD_KEY = "uq_notification_alerts_alert_id_channel_event_level"
_NEW_KEY = "uq_notification_alerts_alert_id_channel_event_level_copy"


def _partial(batch: Any, name: str, column: str, where: str) -> None:
    condition = sa.text(where)
    batch.create_index(name, [column], unique=False, sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    with op.batch_alter_table("alerts", schema=None) as batch:
        batch.add_column(sa.Column("rise_at", UtcTime(), nullable=True))
        batch.add_column(sa.Column("rise_to", sa.Integer(), nullable=True))
        _partial(batch, "ix_alerts_open_kind", "kind", "status <> 'resolved'")
        _partial(batch, "ix_alerts_rise_at", "rise_at", "status <> 'resolved' AND rise_at IS NOT NULL")

    with op.batch_alter_table("notifications", schema=None) as batch:
        batch.add_column(sa.Column("held_by", sa.Text(), nullable=True))
        batch.add_column(sa.Column("held_ref", sa.BigInteger(), nullable=True))
        _partial(batch, "ix_notifications_held", "not_before", "status = 'held'")
        _partial(batch, "ix_notifications_held_ref", "held_ref", "status = 'held' AND held_ref IS NOT NULL")

    with op.batch_alter_table("notification_alerts", schema=None) as batch:
        batch.add_column(sa.Column("copy", sa.Integer(), server_default=sa.text("0"), nullable=False))
        # Said anew, as SQLite's table is made anew and would have its default in brackets
        batch.alter_column("left_out", server_default=sa.text("false"), existing_type=sa.Boolean())
        batch.drop_constraint(batch.f(_OLD_KEY), type_="unique")
        batch.create_unique_constraint(batch.f(_NEW_KEY), ["alert_id", "channel", "event", "level", "copy"])

    op.create_table(
        "silences",
        sa.Column("id", BigId, sa.Identity(always=False), nullable=False),
        sa.Column("matchers", Json, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("starts_at", UtcTime(), nullable=False),
        sa.Column("ends_at", UtcTime(), nullable=False),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    with op.batch_alter_table("silences", schema=None) as batch:
        batch.create_index("ix_silences_ends_at", ["ends_at"], unique=False)
