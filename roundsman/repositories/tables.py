"""Every table of the store; the migrations under `migrations/versions` lead to exactly this.

Those of queues and runs lie in files of their own and are imported here, so that `metadata` knows them all.

Rows that are claimed carry the `owner` (see `roundsman.owner`), and each change of a status is a guarded
update: one row changed means it is mine.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from roundsman.repositories import queue_tables, run_tables
from roundsman.repositories.columns import BigId, Json, UtcTime, metadata, numbered, partial

__all__ = [
    "alerts", "channels", "conversations", "daemons", "job_states", "messages", "metadata", "notifications", "pages",
    "queue_tables", "run_tables", "set_aside", "store_identity", "ticks",
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
    Column("driving", Json),  # the settings by which it drives runs; null for one that drives none
)

# One row, with the id 1: what tells this store from every other one, wherever it lies and however it is reached
store_identity = Table(
    "store_identity",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("identity", Text, nullable=False),
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

# --- conversations ---

pages = Table(
    "pages",
    metadata,
    Column("page_id", Text, primary_key=True),
    Column("name", Text),
    Column("username", Text),
    Column("is_synced", Boolean, nullable=False),
    Column("source_updated_at", UtcTime),  # an older copy of a document never replaces a newer one, here and below
)

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", Text, primary_key=True),
    Column("page_id", Text, nullable=False),
    Column("type", Text, nullable=False),  # INBOX, COMMENT, ... as the source spells it, upper case
    Column("customer_name", Text),
    Column("tags", Json, nullable=False),  # list of texts
    Column("source_updated_at", UtcTime),
    # Derived from the messages at each import, so that the monitor reads an index range and not the messages:
    Column("waiting_since", UtcTime),
    Column("human_waiting_since", UtcTime),
    Column("recheck_at", UtcTime),  # a message set aside as "from the future" counts from this moment
    partial(
        "ix_conversations_waiting_since",
        "waiting_since",
        where="waiting_since IS NOT NULL",
    ),
    partial(
        "ix_conversations_human_waiting_since",
        "human_waiting_since",
        where="human_waiting_since IS NOT NULL",
    ),
    partial(
        "ix_conversations_recheck_at",
        "recheck_at",
        where="recheck_at IS NOT NULL",
    ),
)

messages = Table(
    "messages",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("conversation_id", Text, nullable=False),
    Column("sent_at", UtcTime, nullable=False),
    # What the message tells of its sender. Who that is follows on reading (conversations/sender.py), since the rule
    # needs the conversation's page, which may be imported later than the message or be corrected.
    Column("sender_id", Text),
    Column("sender_name", Text),
    Column("is_system", Boolean, nullable=False),
    Column("is_staff", Boolean, nullable=False),  # written through the page's inbox: has uid, admin_id or admin_name
    Column("is_automated", Boolean, nullable=False),
    Column("is_removed", Boolean, nullable=False),
    Column("is_hidden", Boolean, nullable=False),
    Column("source_updated_at", UtcTime),
    Index("ix_messages_conversation_id_sent_at", "conversation_id", "sent_at"),
)

set_aside = Table(
    "set_aside",
    metadata,
    numbered(),
    Column("collection", Text, nullable=False),
    Column("document_id", Text, nullable=False),  # its id, or its place in the file when it has none
    Column("field", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    UniqueConstraint("collection", "document_id"),
)
