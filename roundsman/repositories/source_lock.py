"""One at a time derives states from a source that is not the store: there is no row of it here that could be locked.

Otherwise one who read a thread just before an answer came in could write his older view over another's newer one.
"""

from sqlalchemy import Connection, func, select

_KEY = 0x526F_756E_6473  # any number that no other program on the same database takes


def lock_source(connection: Connection) -> None:
    """Hold the lock until the transaction ends. SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_KEY)))
