"""Run by Alembic for every command: work on the caller's connection, inside the caller's transaction."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from roundsman.repositories import columns, tables
from roundsman.repositories.schema import VERSION_TABLE


def _own_type(kind: str, value: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write the column types of `columns.py` by their names there."""
    if kind != "type":
        return False
    for name in ("Json", "BigId"):
        if value is getattr(columns, name):
            autogen.imports.add(f"from roundsman.repositories.columns import {name}")
            return name
    if isinstance(value, columns.UtcTime):
        autogen.imports.add("from roundsman.repositories.columns import UtcTime")
        return "UtcTime()"
    return False


columns.name_conditions_to_postgresql()  # so that a new migration states them for both databases
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    version_table=VERSION_TABLE,
    render_item=_own_type,
    render_as_batch=True,  # SQLite alters little; Alembic then rebuilds the table
    transactional_ddl=True,  # Alembic's default for SQLite is an old driver's limit; our BEGIN is explicit
)
with context.begin_transaction():
    context.run_migrations()
