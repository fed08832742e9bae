"""Foundation: the ledger of ticks, alerts with their notifications, conversations with their messages."""

import sqlalchemy as sa
from alembic import op

from roundsman.repositories.columns import BigId, Json, UtcTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", BigId, sa.Identity(always=False), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("job", sa.Text(), nullable=True),
        sa.Column("labels", Json, nullable=False),
        sa.Column("annotations", Json, nullable=False),
        sa.Column("since_at", UtcTime(), nullable=False),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("resolved_at", UtcTime(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index("ix_alerts_opened_at", ["opened_at"], unique=False)
        batch_op.create_index(
            "uq_alerts_open",
            ["fingerprint"],
            unique=True,
            sqlite_where=sa.text("status <> 'resolved'"),
            postgresql_where=sa.text("status <> 'resolved'"),
        )

    op.create_table(
        "channels",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("off_since", UtcTime(), nullable=True),
        sa.Column("off_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channels")),
    )
    op.create_table(
        "conversations",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("page_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("customer_name", sa.Text(), nullable=True),
        sa.Column("tags", Json, nullable=False),
        sa.Column("source_updated_at", UtcTime(), nullable=True),
        sa.Column("waiting_since", UtcTime(), nullable=True),
        sa.Column("human_waiting_since", UtcTime(), nullable=True),
        sa.Column("recheck_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_conversations")),
    )
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_conversations_human_waiting_since",
            ["human_waiting_since"],
            unique=False,
            sqlite_where=sa.text("human_waiting_since IS NOT NULL"),
            postgresql_where=sa.text("human_waiting_since IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_conversations_recheck_at",
            ["recheck_at"],
            unique=False,
            sqlite_where=sa.text("recheck_at IS NOT NULL"),
            postgresql_where=sa.text("recheck_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_conversations_waiting_since",
            ["waiting_since"],
            unique=False,
            sqlite_where=sa.text("waiting_since IS NOT NULL"),
            postgresql_where=sa.text("waiting_since IS NOT NULL"),
        )

    op.create_table(
        "daemons",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("heartbeat_at", UtcTime(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_daemons")),
    )
    op.create_table(
        "job_states",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("expected_since", UtcTime(), nullable=False),
        sa.Column("paused_at", UtcTime(), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_job_states")),
    )
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("sent_at", UtcTime(), nullable=False),
        sa.Column("sender_id", sa.Text(), nullable=True),
        sa.Column("sender_name", sa.Text(), nullable=True),
        sa.Column("is_system", sa.Boolean(), nullable=False),
        sa.Column("is_staff", sa.Boolean(), nullable=False),
        sa.Column("is_automated", sa.Boolean(), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False),
        sa.Column("is_hidden", sa.Boolean(), nullable=False),
        sa.Column("source_updated_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_messages")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index("ix_messages_conversation_id_sent_at", ["conversation_id", "sent_at"], unique=False)

    op.create_table(
        "pages",
        sa.Column("page_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("is_synced", sa.Boolean(), nullable=False),
        sa.Column("source_updated_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("page_id", name=op.f("pk_pages")),
    )
    op.create_table(
        "set_aside",
        sa.Column("id", BigId, sa.Identity(always=False), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_aside")),
        sa.UniqueConstraint("collection", "document_id", name=op.f("uq_set_aside_collection_document_id")),
    )
    op.create_table(
        "ticks",
        sa.Column("id", BigId, sa.Identity(always=False), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("superseded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stands_for", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_at", UtcTime(), nullable=True),
        sa.Column("started_at", UtcTime(), nullable=True),
        sa.Column("finished_at", UtcTime(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("again_at", UtcTime(), nullable=True),
        sa.Column("counters", Json, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticks")),
        sa.UniqueConstraint("job", "due_at", "superseded", name=op.f("uq_ticks_job_due_at_superseded")),
    )
    with op.batch_alter_table("ticks", schema=None) as batch_op:
        batch_op.create_index("ix_ticks_due_at", ["due_at"], unique=False)
        batch_op.create_index(
            "ix_ticks_running",
            ["owner"],
            unique=False,
            sqlite_where=sa.text("outcome IS NULL AND owner IS NOT NULL"),
            postgresql_where=sa.text("outcome IS NULL AND owner IS NOT NULL"),
        )

    op.create_table(
        "notifications",
        sa.Column("id", BigId, sa.Identity(always=False), nullable=False),
        sa.Column("alert_id", BigId, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("not_before", UtcTime(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", UtcTime(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("finished_at", UtcTime(), nullable=True),
        sa.Column("receipt", Json, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_notifications_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("alert_id", "channel", "event", name=op.f("uq_notifications_alert_id_channel_event")),
    )
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index(
            "ix_notifications_open",
            ["channel", "not_before"],
            unique=False,
            sqlite_where=sa.text("status IN ('pending', 'sending')"),
            postgresql_where=sa.text("status IN ('pending', 'sending')"),
        )
