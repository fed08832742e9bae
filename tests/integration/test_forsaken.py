"""A transaction that was cut off in the middle of a pipeline does not keep its locks."""

import psycopg
import pytest
from sqlalchemy import text

from roundsman.repositories import forsaken
from roundsman.repositories.engine import Store
from roundsman.repositories.forsaken import end_forsaken

LOCK = "LOCK TABLE job_states IN EXCLUSIVE MODE NOWAIT"


@pytest.mark.postgres
def test_it_is_ended_when_it_has_waited_for_too_long(postgres_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres_store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    left = psycopg.connect(url, application_name="roundsman")
    pipeline = left.pipeline()
    pipeline.__enter__()  # and never its end
    left.execute(LOCK)
    left.execute("SELECT 1").fetchone()  # its answer has come
    with postgres_store.write() as connection:
        assert end_forsaken(connection) == 0, "nobody is ended who has just begun"
    monkeypatch.setattr(forsaken, "IDLE_TRANSACTION_S", 0)
    with postgres_store.write() as connection:
        assert end_forsaken(connection) == 1
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1").fetchone()
    left.close()
    with postgres_store.write() as connection:
        connection.execute(text(LOCK))


def test_sqlite_has_none(sqlite_store: Store) -> None:
    with sqlite_store.write() as connection:
        assert end_forsaken(connection) == 0
