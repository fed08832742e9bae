"""A real Redis for the tests, the distribution's: one for the whole run, started by the first test that wants it.

It keeps nothing on disk and wants a password, so that a password that shows somewhere is found. Each test uses a name
of its own for its queue, and so keys of its own.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from servers import PASSWORD, ServerMissingError


@dataclass(frozen=True)
class RedisServer:
    """One server with its files in `folder`; the object itself holds no process and may be made anew anywhere."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def client(self) -> "redis.Redis":
        """Close it."""
        return redis.Redis.from_url(self.url, decode_responses=True)


def shared_redis(folder: Path) -> RedisServer:
    """The run's server in `folder`, started if nobody did yet. Raises ServerMissingError."""
    with (folder / "redis-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        port_file = folder / "redis-port"
        if not port_file.exists():
            port_file.write_text(str(start_redis(folder).port))
        return RedisServer(folder, int(port_file.read_text()))


def start_redis(folder: Path, port: int | None = None) -> RedisServer:
    """Start a server of one's own, or start it again: it has forgotten everything. Raises ServerMissingError."""
    program = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
    if program is None:
        raise ServerMissingError("redis-server is not installed; run: make test")
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
    configuration = folder / "redis.conf"
    configuration.write_text(
        f'bind 127.0.0.1\nport {port}\nrequirepass {PASSWORD}\nsave ""\nappendonly no\n'
        f"dir {folder}\nlogfile {folder / 'redis.log'}\npidfile {folder / 'redis.pid'}\ndaemonize yes\n"
    )
    subprocess.run([program, configuration], check=True, env={"PATH": os.defpath, "LC_ALL": "C"}, timeout=30)
    server = RedisServer(folder, port)
    _wait_until_it_answers(server)
    return server


def stop_redis(folder: Path) -> None:
    """Kill the server in `folder`, if there is one, and wait for its end."""
    with suppress(OSError, ValueError):
        pid = int((folder / "redis.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while _is_redis(pid) and time.monotonic() < deadline:
            time.sleep(0.005)  # it is not our child: there is nothing to wait on
        (folder / "redis.pid").unlink()


def _is_redis(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[1:3] != ["(redis-server)", "Z"]
    except OSError:
        return False


def _wait_until_it_answers(server: RedisServer) -> None:
    deadline = time.monotonic() + 30
    with server.client() as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
