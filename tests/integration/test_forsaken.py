"""A transaction that was cut off in the middle of a pipeline does not keep its locks."""

import psycopg
import pytest
from sqlalchemy import text

from roundsman.errors import StoreError
from roundsman.repositories import forsaken
from roundsman.repositories.connections import driver_of
from roundsman.repositories.engine import Store
from roundsman.repositories.forsaken import end_forsaken
from roundsman.repositories.pipeline import pipelined, send

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


@pytest.mark.postgres
def test_a_connection_that_cannot_leave_its_pipeline_is_not_used_again(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stuck(*_: object) -> None:
        raise psycopg.OperationalError("cannot exit pipeline mode while busy")

    with monkeypatch.context() as patch, pytest.raises(StoreError, match="cannot exit pipeline mode"):
        patch.setattr(psycopg.Pipeline, "__exit__", stuck)
        with postgres_store.write() as connection, pipelined(connection):
            first = driver_of(connection).info.backend_pid
            send(connection, "SELECT 1", {})
    with postgres_store.write() as connection:
        assert driver_of(connection).info.backend_pid != first
    assert caplog.text == ""


def test_sqlite_has_none(sqlite_store: Store) -> None:
    with sqlite_store.write() as connection:
        assert end_forsaken(connection) == 0
