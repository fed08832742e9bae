"""Every table of the store; the migrations under `migrations/versions` lead to exactly this.

Those of alerts, conversations, queues and runs lie in files of their own and are imported here, so that `metadata`
knows them all.

Rows that are claimed carry the `owner` (see `roundsman.owner`), and each change of a status is a guarded
update: one row changed means it is mine.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint, text

from roundsman.repositories import conversation_tables, queue_tables, run_tables
from roundsman.repositories.alert_tables import (
    alert_log,
    alerts,
    channels,
    notification_alerts,
    notifications,
    silences,
)
from roundsman.repositories.answer_tables import closures, pollers, presses
from roundsman.repositories.columns import Json, UtcTime, metadata, numbered, partial
from roundsman.repositories.inbox_table import inbox

__all__ = [
    "alert_log", "alerts", "channels", "closures", "conversation_tables", "daemons", "inbox", "job_states", "metadata",
    "notification_alerts", "notifications", "pollers", "presses", "queue_tables", "run_tables", "silences",
    "store_identity", "ticks",
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
    # The settings by which it drives runs, and the version of its policies; null for one that does neither
    Column("driving", Json),
)

# One row, with the id 1: what tells this store from every other one, wherever it lies and however it is reached
store_identity = Table(
    "store_identity",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("identity", Text, nullable=False),
)
