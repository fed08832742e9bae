"""Where everything happens: one folder, the servers that could be started, and an empty store for each measurement."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Event

from benchmarks.figures import SQLITE_FULL
from benchmarks.peers import servers
from benchmarks.peers.catalogue import Home, Peer
from benchmarks.peers.program import Stage
from benchmarks.peers.servers import Postgres, Redis, ServerMissingError

DISK = Path("/var/tmp")
"""Unlike /tmp never in memory, where an fsync would cost nothing."""


class Ground:
    """Servers that are missing stay None; `missing` says why."""

    def __init__(self, folder: Path, stop: Event) -> None:
        self.folder = folder
        self.stop = stop
        self.postgres: Postgres | None = None
        self.redis: Redis | None = None
        self.missing: dict[Home, str] = {}
        self._numbers = count(1)

    @contextmanager
    def stage(self, peer: Peer) -> Iterator[Stage]:
        """A peer on an empty store. Raises ServerMissingError, PeerFailedError."""
        with (
            self.store(peer.home) as store,
            tempfile.TemporaryDirectory(dir=self.folder) as folder,
            Stage(peer, store, Path(folder), self.stop) as stage,
        ):
            yield stage

    @contextmanager
    def store(self, home: Home) -> Iterator[str]:
        """The URL of an empty store; of SQLite the path. Raises ServerMissingError."""
        if home is Home.SQLITE:
            folder = self.folder / f"sqlite{next(self._numbers)}"
            folder.mkdir()
            try:
                yield str(folder / "store.db")
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return
        server = self.postgres if home is Home.POSTGRES else self.redis
        if server is None:
            raise ServerMissingError(self.missing[home])
        with server.database() as url:
            yield url

    def durability(self, home: Home) -> str:
        """What a store survives. The SQLite peers that are not durable in this way say so themselves."""
        if home is Home.SQLITE:
            return SQLITE_FULL
        server = self.postgres if home is Home.POSTGRES else self.redis
        return server.durability if server else ""


@contextmanager
def prepared(homes: set[Home], stop: Event) -> Iterator[Ground]:
    """Start the servers that are needed, and stop them and remove everything in the end."""
    with ExitStack() as stack:
        parent = DISK if DISK.is_dir() else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roundsman-peers-", dir=parent)))
        folder.chmod(0o755)  # the server's account passes through it
        ground = Ground(folder, stop)
        if Home.POSTGRES in homes:
            try:
                ground.postgres = stack.enter_context(servers.postgres(folder / "postgres"))
            except ServerMissingError as error:
                ground.missing[Home.POSTGRES] = str(error)
        if Home.REDIS in homes:
            try:
                ground.redis = stack.enter_context(servers.redis(folder / "redis"))
            except ServerMissingError as error:
                ground.missing[Home.REDIS] = str(error)
        yield ground
