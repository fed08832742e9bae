"""The tables of the queue in the store: messages, the keys that make a second one a duplicate, the rates of kinds.

A message is in one of five states, and each state has an index of its own, so that a claim costs the same whether a
thousand or a million wait: what is delayed, or held back by its group, is not in the index that claims read.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text, text

from roundsman.repositories.columns import Json, UtcTime, metadata, numbered, partial

queue_messages = Table(
    "queue_messages",
    metadata,
    numbered(),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),  # ready | delayed | held | leased | dead
    Column("priority", Integer, nullable=False),
    Column("rank", BigInteger, nullable=False),  # ms; the smallest is next (see roundsman.message.rank)
    Column("group_key", Text),
    Column("body", Json, nullable=False),
    Column("deliveries", Integer, nullable=False, server_default=text("0")),
    Column("token", BigInteger, nullable=False, server_default=text("0")),  # grows with each claim: fences old leases
    Column("not_before", UtcTime),  # of a delayed one
    Column("owner", Text),  # with lease_until: who works on it
    Column("lease_until", UtcTime),
    Column("enqueued_at", UtcTime, nullable=False),
    Column("dead_at", UtcTime),
    Column("reason", Text),  # why it is dead
    partial("ix_queue_messages_ready", "kind", "rank", "id", where="status = 'ready'"),
    partial("ix_queue_messages_delayed", "not_before", where="status = 'delayed'"),
    partial("ix_queue_messages_leased", "lease_until", "kind", where="status = 'leased'"),
    partial("ix_queue_messages_held", "group_key", "id", where="status = 'held'"),
    partial("ix_queue_messages_dead", "dead_at", "id", "kind", where="status = 'dead'"),
    # The head of a group: at most one message of a group is under way, the others are held
    partial(
        "uq_queue_messages_group",
        "group_key",
        unique=True,
        where="group_key IS NOT NULL AND status IN ('ready', 'delayed', 'leased')",
    ),
    # Numbers are never used again: a message that was acked and one enqueued later must not be taken for each other
    sqlite_autoincrement=True,
)

queue_dedup = Table(
    "queue_dedup",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("dedup_key", Text, primary_key=True),
    Column("message_id", BigInteger, nullable=False),
    Column("until", UtcTime, nullable=False),
    Index("ix_queue_dedup_until", "until"),
)

queue_rates = Table(
    "queue_rates",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("refilled_at", UtcTime, nullable=False),
)
