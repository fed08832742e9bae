"""The tables of conversations: what sources told us, what follows from it, and how fresh it is.

`pages`, `conversations` and `messages` hold what a source said, and no more. The watch list and the observations are
derived from it and could be made anew. A MongoDB that is the source keeps the first three itself; then only the others
are filled here.
"""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint, text

from roundsman.repositories.columns import Json, UtcTime, metadata, numbered, partial

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
    Column("customer_id", Text),  # some of Pancake's calls want it
    Column("tags", Json, nullable=False),  # list of texts
    Column("assignees", Json),  # list of [id, name]: whose it is now
    Column("handovers", Json),  # [[time, [added], [removed]], ...]
    Column("source_updated_at", UtcTime),
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

# One row for each conversation that waits on one of the clocks, or whose incident is still to be closed.
watch_list = Table(
    "watch_list",
    metadata,
    Column("conversation_id", Text, primary_key=True),
    Column("page_id", Text, nullable=False),
    Column("waiting_since", UtcTime),
    Column("human_waiting_since", UtcTime),
    Column("answered_at", UtcTime),  # the last answer of anybody on the page's side, bots included
    Column("human_answered_at", UtcTime),  # the last one of a person
    Column("recheck_at", UtcTime),  # a message set aside as "from the future" counts from this moment
    Column("incident_since", UtcTime),  # the wait that people were told of, while it is not closed
    Column("level", Integer, nullable=False),  # the highest one told of that incident
    Column("warned", Boolean, nullable=False),
    Column("snoozed_until", UtcTime),
    Column("snoozed_by", Text),
    Column("due_at", UtcTime),  # when the monitor must look next; null: only news can change anything
    Column("observed", Text),  # digest of the last observation
    partial("ix_watch_list_due_at", "due_at", where="due_at IS NOT NULL"),
    partial("ix_watch_list_incident", "level", where="incident_since IS NOT NULL"),
    Index("ix_watch_list_page_id", "page_id"),
)

# What we knew of a waiting conversation, and from when on: so that a judgement can be explained and repeated.
observations = Table(
    "observations",
    metadata,
    numbered(),
    Column("conversation_id", Text, nullable=False),
    Column("page_id", Text, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("type", Text, nullable=False),
    Column("is_synced", Boolean, nullable=False),
    Column("tags", Json, nullable=False),
    Column("assignees", Json, nullable=False),  # list of ids
    Column("waiting_since", UtcTime),
    Column("human_waiting_since", UtcTime),
    Column("answered_at", UtcTime),
    Column("human_answered_at", UtcTime),
    Column("recheck_at", UtcTime),
    Column("snoozed_until", UtcTime),
    Index("ix_observations_conversation_id_id", "conversation_id", "id"),
    Index("ix_observations_seen_at", "seen_at"),
)

# How far the knowledge about each page reaches, for pages with a live source.
page_syncs = Table(
    "page_syncs",
    metadata,
    Column("page_id", Text, primary_key=True),
    Column("source", Text, nullable=False),  # pancake | mongo
    Column("fresh_at", UtcTime),  # the watermark: whatever the source knew at this moment is here
    Column("checkpoint", Json),  # where a sync that was cut off goes on
    Column("failures", Integer, nullable=False, server_default=text("0")),  # in a row
    Column("failing_since", UtcTime),
    Column("retry_at", UtcTime),  # not before
    Column("error", Text),
    Column("taken_out_at", UtcTime),  # since then the page is in nobody's settings
)

# When a page's knowledge was too old to judge by.
stale_spans = Table(
    "stale_spans",
    metadata,
    numbered(),
    Column("page_id", Text, nullable=False),
    Column("stale_from", UtcTime, nullable=False),
    Column("stale_until", UtcTime),
    partial("uq_stale_spans_open", "page_id", unique=True, where="stale_until IS NULL"),
    Index("ix_stale_spans_stale_from", "stale_from"),
)

# Looks at which somebody would have been told of, had it been sure that nobody had answered.
held_looks = Table(
    "held_looks",
    metadata,
    numbered(),
    Column("conversation_id", Text, nullable=False),
    Column("looked_at", UtcTime, nullable=False),
    Column("certain_until", UtcTime),  # null: nothing was sure
    Index("ix_held_looks_looked_at", "looked_at"),
)

# Conversations that are to be read again from their source before all others.
resyncs = Table(
    "resyncs",
    metadata,
    Column("conversation_id", Text, primary_key=True),
    Column("page_id", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_resyncs_page_id_asked_at", "page_id", "asked_at"),
)

# By which policies was judged since when; the newest is in force.
policy_versions = Table(
    "policy_versions",
    metadata,
    numbered(),
    Column("version", Text, nullable=False),  # digest of their meaning
    Column("since_at", UtcTime, nullable=False),
)
