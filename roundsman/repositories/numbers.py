"""Numbers for rows that do not exist yet, and that others of the same transaction already name."""

from collections.abc import Sequence

from sqlalchemy import Connection

from roundsman.repositories.statement import Statement

_LAST = Statement("SELECT seq FROM sqlite_sequence WHERE name = :table")
_NEXT = Statement("SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)")


def numbers_for(connection: Connection, table: str, count: int) -> Sequence[int]:
    """So many, rising, that nobody else is given. To be called when writing, and to be used in that transaction."""
    if connection.dialect.name == "sqlite":  # nobody else writes, and the insert moves the sequence on
        last = next((number for (number,) in _LAST.run(connection, table=table)), 0)
        return range(last + 1, last + 1 + count)
    return sorted(number for (number,) in _NEXT.run(connection, table=table, count=count))
