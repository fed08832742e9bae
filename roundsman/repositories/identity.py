"""What tells this store from every other one: a random name that is given once and stays in the store.

The address would not do: one database has several, and a file may be moved. A copy of the store has the name of its
original.
"""

import secrets

from sqlalchemy import Connection, select

from roundsman.repositories.engine import Store, upserting
from roundsman.repositories.tables import store_identity

_ONLY_ROW = 1


def identity_of(store: Store) -> str:
    """Twelve hexadecimal digits. Raises StoreError."""
    with store.read() as connection:
        found = _found(connection)
    if found is not None:
        return found
    with store.write() as connection:
        insert = upserting(connection)
        row = {"id": _ONLY_ROW, "identity": secrets.token_hex(6)}
        connection.execute(insert(store_identity).values(row).on_conflict_do_nothing())  # somebody else may be first
        given = _found(connection)
    assert given is not None
    return given


def _found(connection: Connection) -> str | None:
    found: str | None = connection.execute(
        select(store_identity.c.identity).where(store_identity.c.id == _ONLY_ROW)
    ).scalar()
    return found
