"""The bell: whoever listens hears of what others enqueue, in other processes too, at once and without asking."""

import os
import signal
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest
from ears import WAIT_S, Ears, ears_on, elsewhere, listener_elsewhere, ring
from sqlalchemy import text
from sqlalchemy.engine import URL

from roundsman.queues.bell import Bell, Listening
from roundsman.repositories.engine import Store, StoreOptions


def sockets(store: Store) -> list[Path]:
    return sorted(Path(str(store.options.url.database)).parent.glob("bell-*"))


def test_a_ring_of_another_process_is_heard(store: Store) -> None:
    with ears_on(store) as ears:
        elsewhere("ring", store)
        ears.hear()


def test_all_who_listen_hear_it(store: Store) -> None:
    with ears_on(store) as one, ears_on(store) as other, listener_elsewhere(store) as third:
        ring(store)
        one.hear()
        other.hear()
        assert third.stdout is not None
        assert third.stdout.readline() == "rung\n"


def test_the_listener_of_the_same_bell_is_called(store: Store) -> None:
    bell, ears = Bell(store), Ears()
    with closing(bell.listen(ears)):
        ears.hear()
        ring(store, bell)
        ears.hear()


def test_nothing_is_heard_while_nothing_happens_nor_after_the_end(store: Store) -> None:
    ears = Ears()
    with closing(Bell(store).listen(ears)) as listening:
        ears.forget()
        ears.hear_nothing()
        assert listening.ill() is None
    ring(store)
    ears.hear_nothing()


def test_listening_may_be_ended_twice(store: Store) -> None:
    listening: Listening = Bell(store).listen(Ears())
    listening.close()
    listening.close()
    assert listening.ill() is not None


def test_a_ring_wakes_another_process_within_milliseconds(store: Store) -> None:
    """The bar is the machine's: an idle one needs one; the limit lets a busy one pass, and no poll of a second."""
    taken = []
    with listener_elsewhere(store) as other:
        assert other.stdout is not None
        for _ in range(20):
            begun = time.monotonic()
            ring(store)
            assert other.stdout.readline() == "rung\n"
            taken.append(time.monotonic() - begun)
    assert sorted(taken)[len(taken) // 2] < 0.2


# --- SQLite ---


def test_a_commit_of_one_who_does_not_ring_is_noticed(sqlite_store: Store) -> None:
    """Also of one who was killed before he came to it."""
    with ears_on(sqlite_store) as ears:
        ears.forget()
        elsewhere("write", sqlite_store)
        ears.hear()


def test_a_socket_of_a_killed_process_is_removed_by_the_next_ring(sqlite_store: Store) -> None:
    with listener_elsewhere(sqlite_store) as other:
        assert len(sockets(sqlite_store)) == 1
        other.send_signal(signal.SIGKILL)
        other.wait(WAIT_S)
        with ears_on(sqlite_store) as ears:
            assert len(sockets(sqlite_store)) == 2
            ring(sqlite_store)
            ears.hear()
            assert len(sockets(sqlite_store)) == 1
    assert sockets(sqlite_store) == []


def test_whoever_may_write_the_file_may_ring_and_nobody_else(sqlite_store: Store) -> None:
    file = Path(str(sqlite_store.options.url.database))
    file.chmod(0o640)
    with ears_on(sqlite_store):
        (socket,) = sockets(sqlite_store)
        assert stat.S_IMODE(socket.stat().st_mode) == 0o640
        assert socket.stat().st_uid == file.stat().st_uid


def test_a_root_listener_can_be_rung_by_the_owner_of_the_file(sqlite_store: Store) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    file = Path(str(sqlite_store.options.url.database))
    os.chown(file, 65534, 65534)
    with ears_on(sqlite_store):
        (socket,) = sockets(sqlite_store)
        assert (socket.stat().st_uid, socket.stat().st_gid) == (65534, 65534)


def test_a_full_buffer_does_not_hold_up_whoever_rings(sqlite_store: Store) -> None:
    with listener_elsewhere(sqlite_store) as other:
        other.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        for _ in range(2_000):
            Bell(sqlite_store).after_commit()
        assert time.monotonic() - begun < WAIT_S
        assert len(sockets(sqlite_store)) == 1, "it lives"


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    with closing(Store(StoreOptions(URL.create("sqlite", database=str(folder / ("c" * 100)))))) as store:
        ring(store)  # makes the file
        with ears_on(store) as ears:
            ears.forget()
            elsewhere("ring", store)
            ears.hear()


def test_another_database_in_the_same_folder_has_its_own_bell(sqlite_store: Store, tmp_path: Path) -> None:
    with closing(Store(StoreOptions(URL.create("sqlite", database=str(tmp_path / "other.db"))))) as other:
        ring(other)
        with ears_on(sqlite_store) as ears:
            ears.forget()
            ring(other)
            ears.hear_nothing()


# --- PostgreSQL ---


@pytest.mark.postgres
def test_a_ring_is_part_of_its_transaction(postgres_store: Store) -> None:
    bell = Bell(postgres_store)
    with ears_on(postgres_store) as ears:
        ears.forget()
        with pytest.raises(ZeroDivisionError), postgres_store.write() as connection:
            bell.in_transaction(connection)
            raise ZeroDivisionError
        ears.hear_nothing()
        with postgres_store.write() as connection:
            bell.in_transaction(connection)
            ears.hear_nothing()
        ears.hear()


@pytest.mark.postgres
def test_a_lost_connection_is_made_again_and_rings_for_what_was_missed(postgres_store: Store) -> None:
    with ears_on(postgres_store) as ears:
        ears.forget()
        with postgres_store.write() as connection:
            ended = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'LISTEN %' AND datname = current_database()"  # the server is shared
                )
            ).all()
        assert ended == [(True,)]
        ears.hear()
        ring(postgres_store)
        ears.hear()
