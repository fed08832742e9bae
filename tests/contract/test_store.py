"""The store itself over both databases: transactions, times, and one sentence for each way to fail."""

import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import PASSWORD, PostgresServer, make_folder, remove_folder, start_postgres, stop_postgres
from sqlalchemy import insert, select, text, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError, StatementError

import roundsman.repositories.connections
from config import Secret, StoreSettings, load
from roundsman.clock import ManualClock
from roundsman.errors import EXIT_FAILED, ConfigurationError, StoreError
from roundsman.repositories.conversation_tables import set_aside
from roundsman.repositories.engine import Store, StoreOptions, parse_url, ping
from roundsman.repositories.place import sqlite_file, store_options
from roundsman.repositories.schema import ensure_schema
from roundsman.repositories.tables import channels

NOON = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


def switch_off(store: Store, channel: str = "slack", at: datetime = NOON) -> None:
    with store.write() as connection:
        connection.execute(insert(channels).values(channel=channel, identity="x", off_since=at))


def off_since(store: Store) -> list[datetime | None]:
    with store.read() as connection:
        return list(connection.execute(select(channels.c.off_since).order_by(channels.c.channel)).scalars())


# --- transactions ---


def test_a_write_is_kept_when_its_block_ends(store: Store) -> None:
    switch_off(store)
    assert off_since(store) == [NOON]


def test_a_write_is_undone_when_its_block_raises(store: Store) -> None:
    with pytest.raises(LookupError), store.write() as connection:
        connection.execute(insert(channels).values(channel="slack", identity="x"))
        raise LookupError
    assert off_since(store) == []


def test_what_a_read_writes_is_thrown_away(store: Store) -> None:
    with store.read() as connection:
        connection.execute(insert(channels).values(channel="slack", identity="x"))
    assert off_since(store) == []


def test_a_fault_of_our_own_keeps_its_kind(store: Store) -> None:
    switch_off(store)
    with pytest.raises(IntegrityError):
        switch_off(store)


def test_a_child_without_its_parent_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(
            text(
                "INSERT INTO notifications (alert_id, channel, event, status, not_before, created_at)"
                " VALUES (77, 'slack', 'firing', 'sent', '2026-03-03 04:00:00', '2026-03-03 04:00:00')"
            )
        )


# --- times and numbers ---


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        NOON + timedelta(microseconds=1),
        datetime(2026, 3, 3, 19, 0, tzinfo=timezone(timedelta(hours=7))),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_a_time_comes_back_as_the_same_moment_in_utc(store: Store, moment: datetime) -> None:
    switch_off(store, at=moment)
    (found,) = off_since(store)
    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC


def test_a_naive_time_is_refused(store: Store) -> None:
    with pytest.raises(StatementError, match="naive time"):
        switch_off(store, at=datetime(2026, 3, 3, 12, 0))


def test_times_are_compared_by_moment(store: Store) -> None:
    for second in range(3):
        switch_off(store, f"channel {second}", NOON + timedelta(milliseconds=second))
    with store.read() as connection:
        later = connection.execute(
            select(channels.c.channel).where(channels.c.off_since > NOON.astimezone(timezone(timedelta(hours=-8))))
        )
        assert sorted(later.scalars()) == ["channel 1", "channel 2"]


def test_rows_are_numbered_by_the_database(store: Store) -> None:
    with store.write() as connection:
        numbers = [
            connection.execute(
                insert(set_aside)
                .values(collection="c", document_id=str(n), field="f", sentence="s", seen_at=NOON)
                .returning(set_aside.c.id)
            ).scalar_one()
            for n in range(2)
        ]
    assert numbers == [1, 2]


# --- SQLite fails ---


@pytest.fixture
def sqlite_options(sqlite_store: Store) -> StoreOptions:
    return replace(sqlite_store.options, busy_timeout_ms=50)


def test_another_program_that_writes_makes_us_say_locked(sqlite_options: StoreOptions) -> None:
    program = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""
    with (
        closing(Store(sqlite_options)) as store,
        subprocess.Popen(
            [sys.executable, "-c", program, str(store.place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(StoreError, match="is locked by another program; close that or wait") as failure:
            switch_off(store)
        assert failure.value.exit_code == EXIT_FAILED
        assert off_since(store) == []  # reading goes on
        other.communicate("\n")
        switch_off(store)
        assert off_since(store) == [NOON]


def test_a_writer_that_dies_leaves_no_lock_and_no_half_row(sqlite_options: StoreOptions) -> None:
    program = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO channels (channel, identity) VALUES ('telegram', 'x')")
os.kill(os.getpid(), 9)
"""
    with closing(Store(sqlite_options)) as store:
        died = subprocess.run([sys.executable, "-c", program, store.place], check=False)
        assert died.returncode == -signal.SIGKILL
        switch_off(store)
        assert off_since(store) == [NOON]


def test_a_full_database_says_so_and_keeps_nothing_of_the_transaction(sqlite_store: Store) -> None:
    with pytest.raises(StoreError, match=r"is full; free some space\. Nothing was"), sqlite_store.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.execute(insert(channels).values(channel="slack", identity="x"))
        connection.execute(insert(channels).values(channel="telegram", identity="x" * 100_000))
    assert off_since(sqlite_store) == []


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("buy milk\n" * 200)
    options = StoreOptions(URL.create("sqlite", database=str(file)))
    expected = rf"{file} is not a SQLite database; correct DATABASE_URL"
    with closing(Store(options)) as store, pytest.raises(StoreError, match=expected):
        ping(store)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    options = StoreOptions(URL.create("sqlite", database=f"{tmp_path}/none/store.db"))
    with closing(Store(options)) as store, pytest.raises(StoreError, match="cannot be opened; its folder must exist"):
        ping(store)


READ_ONLY = """
import os, sys
from contextlib import closing
from sqlalchemy import text
from roundsman.errors import StoreError
from roundsman.repositories.engine import Store, StoreOptions, parse_url
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
with closing(Store(StoreOptions(parse_url(sys.argv[1]), busy_timeout_ms=50))) as store:
    try:
        with store.write() as connection:
            connection.execute(text("DELETE FROM channels"))
    except StoreError as error:
        print(error)
"""


def test_a_read_only_file_is_named() -> None:
    folder = make_folder()  # below /tmp, where an ordinary user may look
    try:
        folder.chmod(0o755)
        file = folder / "store.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("CREATE TABLE channels (channel)")
        file.chmod(0o444)
        url = f"sqlite:///{file}"
        said = subprocess.run([sys.executable, "-c", READ_ONLY, url], capture_output=True, text=True, check=True)
        assert said.stdout == f"The database {file} is read-only; let this user write the file and its folder.\n"
    finally:
        remove_folder(folder)


# --- PostgreSQL fails ---


def refused(url: URL, **options: bool) -> str:
    with closing(Store(StoreOptions(url, **options))) as store, pytest.raises(StoreError) as failure:
        ping(store)
    sentence = str(failure.value)
    assert PASSWORD not in sentence
    assert "\n" not in sentence
    assert failure.value.__suppress_context__
    return sentence


@pytest.mark.postgres
def test_a_wrong_password_is_said_without_it(postgres_server: PostgresServer) -> None:
    sentence = refused(postgres_server.url("postgres").set(password=f"{PASSWORD}-wrong"))
    assert "password authentication failed" in sentence
    assert "check that it runs and the DB_ settings" in sentence


@pytest.mark.postgres
def test_a_server_without_ssl_is_refused_when_ssl_is_wanted(postgres_server: PostgresServer) -> None:
    assert "SSL" in refused(postgres_server.url("postgres"), ssl=True, ssl_verify=False)


@pytest.mark.postgres
def test_a_database_that_is_missing_is_named(postgres_server: PostgresServer) -> None:
    assert "no_such_database" in refused(postgres_server.url("no_such_database"))


def test_a_port_where_nobody_listens_is_named() -> None:
    sentence = refused(URL.create("postgresql+psycopg", "roundsman", PASSWORD, "127.0.0.1", 9, "roundsman"))
    assert "127.0.0.1:9/roundsman does not answer" in sentence


@pytest.mark.postgres
def test_who_is_out_of_sight_in_a_transaction_loses_its_locks(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roundsman.repositories.connections, "IDLE_TRANSACTION_S", 1)
    switch_off(postgres_store)
    change = update(channels).values(identity="y")
    with closing(Store(postgres_store.options)) as away, closing(Store(postgres_store.options)) as other:
        with pytest.raises(StoreError, match="does not answer"), away.write() as connection:
            connection.execute(change)
            with other.write() as waiting:
                assert waiting.execute(change).rowcount == 1
            connection.execute(change)
        ping(away)


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    folder = make_folder()
    yield start_postgres(folder)
    remove_folder(folder)


@pytest.mark.postgres
def test_a_server_that_stops_and_returns_is_used_again(own_server: PostgresServer, clock: ManualClock) -> None:
    with own_server.database() as url, closing(Store(StoreOptions(url))) as store:
        ensure_schema(store, backups=own_server.folder, clock=clock)
        with pytest.raises(StoreError) as failure, store.write() as connection:
            connection.execute(insert(channels).values(channel="slack", identity="x"))
            stop_postgres(own_server.folder)
            connection.execute(insert(channels).values(channel="telegram", identity="x"))
        assert PASSWORD not in str(failure.value)
        with pytest.raises(StoreError, match="does not answer"):
            ping(store)
        start_postgres(own_server.folder, own_server.port)
        assert off_since(store) == []
        switch_off(store)
        assert off_since(store) == [NOON]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for 127.0.0.1 in one file, signed by itself: nobody's authority."""
    file = tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", file, "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    file.write_text((tmp_path / "key.pem").read_text() + file.read_text())
    return file


SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL protocol, "SSLRequest"


def start_of_session(listening: socket.socket, certificate: Path) -> bytes:
    """Play the server up to the client's first message inside TLS; empty if the client did not trust us."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    connection, _ = listening.accept()
    with connection:
        assert connection.recv(8) == SSL_REQUEST
        connection.sendall(b"S")
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                return secure.recv(1024)
        except (ssl.SSLError, OSError):
            return b""


@pytest.mark.parametrize(
    ("verify", "trusted", "reached"),
    [
        pytest.param(True, False, False, id="a stranger's certificate is refused"),
        pytest.param(True, True, True, id="one of the system's authorities is accepted"),
        pytest.param(False, False, True, id="any certificate will do when that was asked for"),
    ],
)
def test_the_certificate_of_the_server_is_checked(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, verify: bool, trusted: bool, reached: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as server:
        first_message = server.submit(start_of_session, listening, certificate)
        url = URL.create("postgresql+psycopg", "roundsman", PASSWORD, "127.0.0.1", listening.getsockname()[1], "n")
        sentence = refused(url, ssl=True, ssl_verify=verify)  # at the latest when the played server hangs up
        assert (b"user\0roundsman\0" in first_message.result(timeout=10)) == reached
    assert ("certificate verify failed" in sentence) == (not reached)


# --- naming the store ---


def test_a_url_that_the_driver_does_not_understand_is_a_fault_of_the_settings() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL names the database 'mysql'"):
        store_options(StoreSettings(Secret(f"mysql://u:{PASSWORD}@h/n")))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").touch()
    options = StoreOptions(URL.create("sqlite", database=f"{tmp_path}/file/deep/store.db"))
    expected = "cannot be created .*; let this user write the folder"
    with closing(Store(options)) as store, pytest.raises(StoreError, match=expected):
        ensure_schema(store, backups=tmp_path, clock=clock)


@pytest.mark.parametrize(
    ("value", "driver"),
    [
        ("sqlite:////var/lib/roundsman.db", "sqlite"),
        ("postgres://u:p@h/n", "postgresql+psycopg"),
        ("postgresql://u:p@h/n", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p@h/n", "postgresql+psycopg"),
    ],
)
def test_the_usual_spellings_of_a_url_are_understood(value: str, driver: str) -> None:
    assert parse_url(value).drivername == driver


@pytest.mark.parametrize("value", ["", "roundsman.db", f"mysql://u:{PASSWORD}@h/n", f"postgres://u:{PASSWORD}@h:x/n"])
def test_other_urls_are_refused_without_repeating_them(value: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_url(value)
    assert PASSWORD not in str(refusal.value)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(name=NAMES, user=NAMES, password=NAMES, host=st.sampled_from(["db.example.org", "::1", "/run/postgresql"]))
def test_the_parts_of_a_database_reach_the_driver_as_they_were_written(
    name: str, user: str, password: str, host: str
) -> None:
    environ = {"DB_HOST": host, "DB_NAME": name, "DB_USER": user, "DB_PASS": password, "DB_PORT": "6543"}
    url = store_options(load(environ, Path("/nonexistent")).store).url
    assert (url.database, url.username, url.password) == (name, user, password)
    assert host in (url.host, url.query.get("host"))
    assert "6543" in (str(url.port), url.query.get("port"))


@given(folder=NAMES)
def test_a_state_folder_of_any_name_holds_the_store(folder: str) -> None:
    found = load({"ROUNDSMAN_STATE_DIR": f"/srv/{folder}"}, Path("/nonexistent"))
    assert sqlite_file(store_options(found.store).url) == found.state_dir / "roundsman.db"


def test_an_option_that_libpq_does_not_know_is_one_sentence() -> None:
    url = f"postgresql://u:{PASSWORD}@h/n?sslmode=require&sslmod={PASSWORD}"
    with pytest.raises(ConfigurationError) as refusal:
        store_options(StoreSettings(Secret(url)))
    assert str(refusal.value) == (
        "DATABASE_URL names the option 'sslmod', which PostgreSQL's client does not know; remove it."
    )


def test_the_password_is_in_no_text_of_the_store() -> None:
    options = StoreOptions(parse_url(f"postgresql://u:{PASSWORD}@localhost/n?password={PASSWORD}&host=db"))
    with closing(Store(options)) as store:
        assert PASSWORD not in f"{options!r} {options} {store.place}"
