"""The tables of runs: where each stands, what its steps did, what it said, and what the world is still to be told."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from roundsman.repositories.columns import BigId, Json, UtcTime, metadata, numbered, partial


def _run_id() -> Column[int]:
    return Column("run_id", BigId, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False)


runs = Table(
    "runs",
    metadata,
    numbered(),
    Column("workflow", Text, nullable=False),
    Column("status", Text, nullable=False),  # queued | running | waiting | paused | completed | failed | cancelled
    Column("state", Text, nullable=False),  # of the workflow's machine
    Column("input", Json, nullable=False),
    Column("data", Json, nullable=False),  # what the steps have patched so far
    Column("priority", Integer, nullable=False),
    Column("group_key", Text),
    Column("dedup_key", Text),
    Column("correlation_id", Text, nullable=False),
    Column("sequence", Integer, nullable=False, server_default=text("0")),  # of the next recorded unit
    Column("attempt", Integer, nullable=False, server_default=text("0")),  # failed ones of the present step
    Column("crashes", Integer, nullable=False, server_default=text("0")),  # processes that died with the present step
    Column("progress", Integer, nullable=False, server_default=text("0")),  # 0 to 100
    Column("not_before", UtcTime),  # of the next attempt, or the end of a wait
    Column("awaits", Json),  # events from outside that end a wait
    Column("on_time", Text),  # the event when not_before ends a wait
    Column("asked", Text),  # pause: at the end of the present step
    Column("owner", Text),
    Column("token", BigInteger, nullable=False, server_default=text("0")),  # grows with each claim: fences old owners
    Column("lease_until", UtcTime),
    Column("message_id", Text),  # in the queue; null until it was surely handed over
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("keep_s", Integer),  # kept so long once finished; null: for ever
    Column("expires_at", UtcTime),
    Column("error", Text),  # one sentence
    Column("retry_of", BigInteger),  # the run that this one repeats
    Column("retry_from", Integer),  # the sequence at which it left that one's record
    partial(
        "ix_runs_unfinished",
        "status",
        "id",
        where="status IN ('queued', 'running', 'waiting', 'paused')",
    ),
    partial("ix_runs_asked", "owner", where="asked IS NOT NULL"),
    partial("ix_runs_expires_at", "expires_at", where="expires_at IS NOT NULL"),
    partial("ix_runs_dedup", "workflow", "dedup_key", "id", where="dedup_key IS NOT NULL"),
    partial("ix_runs_retry_of", "retry_of", where="retry_of IS NOT NULL"),
    Index("ix_runs_workflow", "workflow", "id"),
    sqlite_autoincrement=True,  # a number is never given to a second run
)

run_steps = Table(
    "run_steps",
    metadata,
    Column(
        "run_id",
        BigId,
        ForeignKey("runs.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # step | call | signal | timer
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),  # in which it happened
    Column("event", Text),  # which it gave; null for a call
    Column("target", Text),  # the state that it led to
    Column("result", Json),  # the patch of a step, the answer of a call
    Column("attempt", Integer, nullable=False),  # the one that succeeded, from 1
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime, nullable=False),
)

run_logs = Table(
    "run_logs",
    metadata,
    numbered(),
    _run_id(),
    Column("at", UtcTime, nullable=False),
    Column("level", Text, nullable=False),
    Column("step", Text),
    Column("message", Text, nullable=False),
    Index("ix_run_logs_run_id", "run_id", "id"),
)

# Without a foreign key: what the world is still to be told outlives its run, and carries all that is to be told
run_events = Table(
    "run_events",
    metadata,
    numbered(),
    Column("run_id", BigInteger, nullable=False),
    Column("sink", Text, nullable=False),  # whom it is for
    Column("event", Text, nullable=False),  # run.waiting, run.completed, ...
    Column("payload", Json, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("not_before", UtcTime, nullable=False),
    Column("owner", Text),  # with lease_until: who delivers it
    Column("lease_until", UtcTime),
    Column("error", Text),  # of the last attempt
    Column("set_aside_at", UtcTime),  # nobody tries any more
    partial("ix_run_events_due", "sink", "not_before", "id", where="owner IS NULL AND set_aside_at IS NULL"),
    # Those of one run are delivered in the order of their ids
    partial("ix_run_events_first", "run_id", "sink", "id", where="set_aside_at IS NULL"),
    partial("ix_run_events_claimed", "owner", "lease_until", where="owner IS NOT NULL"),
    partial("ix_run_events_set_aside", "set_aside_at", where="set_aside_at IS NOT NULL"),
    sqlite_autoincrement=True,  # receivers know an event by its number: a delivered one's is never used again
)
