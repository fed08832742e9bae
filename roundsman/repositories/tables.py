"""Every table of the store, in one place; the migrations under `migrations/versions` lead to exactly this.

Times are aware UTC in Python. PostgreSQL keeps them as `timestamptz`; SQLite, which has no such type, as text of
fixed width, so that text order is time order and an administrator with a plain `sqlite3` shell can read them.

Rows that are claimed carry the `owner` (see `roundsman.owner`), and each change of a status is a guarded
update: one row changed means it is mine.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time. A naive one is refused: it would be a bug that shows months later."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    # The processors are overridden as a whole, past SQLAlchemy's own for SQLite: a ledger that writes a hundred ticks
    # at once spent most of its time in them.

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return _aware if dialect.name == "postgresql" else _to_text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return _to_utc if dialect.name == "postgresql" else _from_text


def _aware(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError(f"a naive time reached the store: {value!r}")
    return value.astimezone(UTC)


def _to_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _to_text(value: datetime | None) -> str | None:
    aware = _aware(value)
    return None if aware is None else aware.isoformat(sep=" ", timespec="microseconds")[:26]  # without "+00:00"


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


Json = JSON(none_as_null=True)
BigId = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column declared INTEGER."""


def _id() -> Column[int]:
    return Column("id", BigId, Identity(), primary_key=True)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), info={"where": where})


def name_conditions_to_postgresql() -> None:
    """Tell PostgreSQL the conditions of the partial indexes.

    Not `postgresql_where` above: naming a dialect's option imports the dialect, 50 ms and 7 MiB which a daemon on
    SQLite need not pay.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            if "where" in index.info:
                index.dialect_options["postgresql"]["where"] = text(index.info["where"])


@event.listens_for(metadata, "before_create")
def _before_create(_metadata: MetaData, connection: Connection, **_: Any) -> None:
    if connection.dialect.name == "postgresql":
        name_conditions_to_postgresql()


# --- scheduling ---

ticks = Table(
    "ticks",
    metadata,
    _id(),
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
    _partial(
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
    _id(),
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
    _partial(
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
    _id(),
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
    _partial(
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
    _partial(
        "ix_conversations_waiting_since",
        "waiting_since",
        where="waiting_since IS NOT NULL",
    ),
    _partial(
        "ix_conversations_human_waiting_since",
        "human_waiting_since",
        where="human_waiting_since IS NOT NULL",
    ),
    _partial(
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
    _id(),
    Column("collection", Text, nullable=False),
    Column("document_id", Text, nullable=False),  # its id, or its place in the file when it has none
    Column("field", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    UniqueConstraint("collection", "document_id"),
)
