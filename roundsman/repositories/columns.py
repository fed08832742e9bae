"""What the tables are made of: the types of their columns, their names, and the collection that holds them all.

Times are aware UTC in Python. PostgreSQL keeps them as `timestamptz`; SQLite, which has no such type, as text of
fixed width, so that text order is time order and an administrator with a plain `sqlite3` shell can read them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Dialect,
    Identity,
    Index,
    Integer,
    MetaData,
    TypeDecorator,
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
    if value is None or value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError(f"a naive time reached the store: {value!r}")
    return value.astimezone(UTC)


def _to_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _to_text(value: datetime | None) -> str | None:
    aware = _aware(value)
    return None if aware is None else aware.isoformat(" ", "microseconds")[:26]  # without "+00:00"


def _from_text(value: str | None) -> datetime | None:
    # Read with its zone in one go: a sixth of the time of `replace(tzinfo=UTC)` afterwards
    return None if value is None else datetime.fromisoformat(value + "+00:00")


Json = JSON(none_as_null=True)
BigId = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column declared INTEGER."""


def numbered() -> Column[int]:
    """The column `id`, filled by the database."""
    return Column("id", BigId, Identity(), primary_key=True)


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows for which `where` holds, on both databases."""
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
