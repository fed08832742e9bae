"""Every table of the store; the migrations under `migrations/versions` lead to exactly this.

Those of conversations, queues and runs lie in files of their own and are imported here, so that `metadata` knows
them all.

Rows that are claimed carry the `owner` (see `roundsman.owner`), and each change of a status is a guarded
update: one row changed means it is mine.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from roundsman.repositories import conversation_tables, queue_tables, run_tables
from roundsman.repositories.columns import BigId, Json, UtcTime, metadata, numbered, partial

__all__ = [
    "alerts", "channels", "conversation_tables", "daemons", "job_states", "metadata", "notifications", "queue_tables",
    "run_tables", "ticks",
]  # fmt: skip

# --- scheduling ---

ticks = Table(
    "ticks",
    metadata,
    numbered(),
    Column("job", Text, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    # 0, or the row's own id once the wall clock was set back past due_at: the slot (job, due_at) is then free again
    Column("superseded", BigInteger, nullable=False, server_default=text("0")),
    Column("origin", Text, nullable=False),  # schedule | start | snooze | manual
    Column("state", Text, nullable=False),  # ran | late | missed | overlapped | suspended | paused
    Column("stands_for", Integer, nullable=False, server_default=text("1")),  # expected ticks that this row covers
    Column("reason", Text),  # why it did not run
    Column("owner", Text),  # set while it runs, and kept
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("claimed_at", UtcTime),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("outcome", Text),  # done | snoozed | cancelled | failed | timed_out | interrupted; null while it runs
    Column("again_at", UtcTime),  # when a snoozed run wants to be called again
    Column("counters", Json),
    Column("error", Text),
    Column("traceback", Text),
    UniqueConstraint("job", "due_at", "superseded"),
    partial(
        "ix_ticks_running",
        "owner",
        where="outcome IS NULL AND owner IS NOT NULL",
    ),
    Index("ix_ticks_due_at", "due_at"),
)

job_states = Table(
    "job_states",
    metadata,
    Column("job", Text, primary_key=True),
    Column("schedule", Text, nullable=False),  # as last registered, with its zone: a change starts a new expectation
    Column("expected_since", UtcTime, nullable=False),  # ticks before this moment are nobody's
    Column("paused_at", UtcTime),
    Column("paused_by", Text),
)

daemons = Table(
    "daemons",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("heartbeat_at", UtcTime, nullable=False),
    Column("status", Text, nullable=False),
)

# --- alerts ---

alerts = Table(
    "alerts",
    metadata,
    numbered(),
    Column("fingerprint", Text, nullable=False),  # kind and subject: what the alert is about
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("status", Text, nullable=False),  # firing | acknowledged | snoozed | resolved
    Column("level", Integer, nullable=False, server_default=text("1")),
    Column("job", Text),  # which job raised it
    Column("labels", Json, nullable=False),
    Column("annotations", Json, nullable=False),  # the facts that templates read
    Column("since_at", UtcTime, nullable=False),  # when the condition began
    Column("opened_at", UtcTime, nullable=False),
    Column("resolved_at", UtcTime),
    Column("resolution", Text),
    # One open alert per fingerprint: two daemons, or one that was killed and came back, cannot open it twice
    partial(
        "uq_alerts_open",
        "fingerprint",
        unique=True,
        where="status <> 'resolved'",
    ),
    Index("ix_alerts_opened_at", "opened_at"),
)

notifications = Table(
    "notifications",
    metadata,
    numbered(),
    Column("alert_id", BigId, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("event", Text, nullable=False),  # firing | resolved
    Column("status", Text, nullable=False),  # pending | sending | sent | failed | cancelled
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("not_before", UtcTime, nullable=False),
    Column("owner", Text),
    Column("lease_until", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("receipt", Json),  # what the channel needs to edit the message later
    Column("error", Text),
    UniqueConstraint("alert_id", "channel", "event"),
    partial(
        "ix_notifications_open",
        "channel",
        "not_before",
        where="status IN ('pending', 'sending')",
    ),
)

channels = Table(
    "channels",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("identity", Text, nullable=False),  # digest of its settings: other settings switch it on again
    Column("off_since", UtcTime),
    Column("off_reason", Text),
)
