"""The tables of answers from chat: presses that were seen to, who asks a service for them, and what people closed."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from roundsman.repositories.columns import UtcTime, metadata

presses = Table(
    "presses",
    metadata,
    Column("source", Text, primary_key=True),  # telegram | slack
    Column("press", Text, primary_key=True),  # what the service calls this very press
    Column("at", UtcTime, nullable=False),
    Column("said", Text, nullable=False),  # what the person was told, for when the same press comes again
    Index("ix_presses_at", "at"),
)

pollers = Table(
    "pollers",
    metadata,
    Column("source", Text, primary_key=True),  # a digest of the bot's token: two bots have two places
    Column("position", BigInteger),  # the last update that was seen to
    Column("moved_at", UtcTime),
    Column("owner", Text),
    Column("lease_until", UtcTime),
)

closures = Table(
    "closures",
    metadata,
    Column("conversation_id", Text, primary_key=True),
    Column("closed_at", UtcTime, nullable=False),  # what the customer wrote until then is dealt with
    Column("closed_by", Text, nullable=False),
)
