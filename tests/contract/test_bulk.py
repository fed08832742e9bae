"""Many rows through one statement: the same rows as SQLAlchemy itself would write, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import bindparam, insert, select, update

from roundsman.repositories.bulk import BulkStatement
from roundsman.repositories.engine import Store
from roundsman.repositories.tables import ticks

NAMES = ("job", "due_at", "origin", "state", "counters", "reason")
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def _rows() -> list[dict[str, object]]:
    return [
        {
            "job": f"job_{index}",
            "due_at": NOON + timedelta(microseconds=index % 2),
            "origin": "schedule",
            "state": "ran",
            "counters": {"Khách": index} if index % 3 else None,
            "reason": None if index % 2 else "100 % 'quoted' \\ ? :name",
        }
        for index in range(250)
    ]


def test_it_writes_what_sqlalchemy_writes(store: Store) -> None:
    columns = [ticks.c[name] for name in NAMES]
    with store.write() as connection:
        BulkStatement(lambda _: insert(ticks), NAMES).execute(connection, _rows())
        ours = connection.execute(select(*columns).order_by(ticks.c.id)).all()
        connection.execute(ticks.delete())
        connection.execute(insert(ticks), _rows())
        theirs = connection.execute(select(*columns).order_by(ticks.c.id)).all()
    assert len(ours) == 250
    assert ours == theirs


def test_an_update_touches_only_the_rows_that_are_named(store: Store) -> None:
    statement = BulkStatement(
        lambda _: update(ticks).where(ticks.c.job == bindparam("which")).values(reason=bindparam("why")),
        ("which", "why"),
    )
    with store.write() as connection:
        BulkStatement(lambda _: insert(ticks), NAMES).execute(connection, _rows())
        statement.execute(connection, [{"which": "job_3", "why": "a"}, {"which": "job_4", "why": None}])
        reasons = {row.job: row.reason for row in connection.execute(select(ticks.c.job, ticks.c.reason))}
    assert (reasons["job_3"], reasons["job_4"]) == ("a", None)
    assert reasons["job_2"] == _rows()[2]["reason"]


def test_no_rows_are_no_statement(store: Store) -> None:
    with store.write() as connection:
        BulkStatement(lambda _: insert(ticks), NAMES).execute(connection, [])
        assert connection.execute(select(ticks)).all() == []


def test_a_placeholder_that_no_row_fills_is_refused(store: Store) -> None:
    statement = BulkStatement(lambda _: update(ticks).where(ticks.c.job == bindparam("which")), ("why",))
    with store.write() as connection, pytest.raises(ValueError, match="which"):
        statement.execute(connection, [{"why": "x"}])


def test_a_naive_time_is_refused(store: Store) -> None:
    row = _rows()[0] | {"due_at": datetime(2026, 3, 3)}
    with store.write() as connection, pytest.raises(ValueError, match="naive"):
        BulkStatement(lambda _: insert(ticks), NAMES).execute(connection, [row])
