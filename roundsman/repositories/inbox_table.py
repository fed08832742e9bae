"""The table of the inbox: messages that people read in Roundsman itself."""

from sqlalchemy import Column, Index, Table, Text

from roundsman.repositories.columns import Json, UtcTime, metadata, numbered, partial

inbox = Table(
    "inbox",
    metadata,
    numbered(),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime),  # when it was last made to say something else
    Column("event", Text, nullable=False),  # warning | firing | resolved
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),  # the whole message, the title included
    Column("link", Text),
    Column("fields", Json, nullable=False),  # the same as in the journal: ALERT, JOB, ...
    Column("read_at", UtcTime),
    Column("read_by", Text),
    partial(
        "ix_inbox_unread",
        "id",
        where="read_at IS NULL",
    ),
    Index("ix_inbox_created_at", "created_at"),
)
