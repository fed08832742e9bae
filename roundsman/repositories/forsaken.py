"""Transactions of ours that wait for a process which is cut off or stopped, and keep others from what they have locked.

PostgreSQL ends a transaction that is idle for too long by itself, as every connection asks it to. One that was left in
the middle of a pipeline, or of a long message, does not count as idle, so whoever is alive looks for it.
"""

from sqlalchemy import Connection, text

from roundsman.repositories.connections import IDLE_TRANSACTION_S

_END = text(
    """
    SELECT count(pg_terminate_backend(pid))
    FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = 'roundsman'
      AND pid <> pg_backend_pid() AND wait_event = 'ClientRead' AND xact_start IS NOT NULL
      AND greatest(query_start, state_change) < clock_timestamp() - make_interval(secs => :idle_s)
    """
)


def end_forsaken(connection: Connection) -> int:
    """End those that have waited for their client for longer than any of us pauses. Returns how many that were."""
    if connection.dialect.name == "sqlite":
        return 0
    ended: int = connection.execute(_END, {"idle_s": IDLE_TRANSACTION_S}).scalar_one()
    return ended
