"""A peer on stage: its client, its workers and its log, all gone when the measurement is over."""

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from benchmarks.peers.catalogue import Peer

FOLDER = Path(__file__).parent
PYTHON = FOLDER.parents[1] / ".venv-peers" / "bin" / "python"
ANSWER_PATIENCE_S = 120.0
LOOK_EVERY_S = 0.002
LINE_BYTES = 32
"""Length of each line in a peer's log, see python/peer.py."""


class PeerFailedError(Exception):
    """A peer cannot be started, died, or did not do its work in time."""


class StoppedError(Exception):
    """The whole run is being stopped."""


@dataclass(frozen=True)
class Line:
    """What a handler wrote: S at its start or E at its end, the job's number, the monotonic clock."""

    what: str
    number: int
    at_ns: int


def command_of(peer: Peer) -> list[str]:
    """How a peer's program is started. Raises PeerFailedError when its environment is missing."""
    if peer.program.startswith("python/"):
        if not PYTHON.exists():
            raise PeerFailedError(".venv-peers is missing (run: make bench-peers)")
        return [str(PYTHON), str(FOLDER / peer.program)]
    node = shutil.which("node")
    if node is None or not (FOLDER / "node" / "node_modules").exists():
        raise PeerFailedError("node or its packages are missing (on Debian: apt-get install nodejs npm)")
    return [node, str(FOLDER / peer.program)]


class Stage:
    """One peer on an empty store, for one measurement."""

    def __init__(self, peer: Peer, store: str, folder: Path, stop: Event) -> None:
        self._command = command_of(peer)
        self._arguments = [store, json.dumps(peer.options)]
        self._log = folder / "log"
        self._log.touch()
        self._errors = folder / "errors"
        self._stop = stop
        self._children: list[subprocess.Popen[str]] = []
        self._client: subprocess.Popen[str] | None = None
        self.version = ""

    def __enter__(self) -> "Stage":
        self._client = self._start("client")
        try:
            self.version = str(self.ask(do="prepare")["version"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            kill(child)
        self._children.clear()

    def ask(self, **request: object) -> dict[str, Any]:
        """One request to the client and its answer."""
        assert self._client is not None
        assert self._client.stdin is not None
        try:
            self._client.stdin.write(json.dumps(request) + "\n")
            self._client.stdin.flush()
        except BrokenPipeError:
            raise self._failed("its client died") from None
        return self._answer(self._client)

    def enqueue(self, first: int, jobs: int, seconds: float = 0.0) -> int:
        """Submit jobs; the monotonic clock, in ns, when the client began to."""
        return int(self.ask(do="enqueue", first=first, jobs=jobs, seconds=seconds)["begun_ns"])

    def start_worker(self) -> "subprocess.Popen[str]":
        """Start a worker; it has imported everything and begins to work now."""
        worker = self._start("worker")
        self._answer(worker)
        return worker

    def executions(self) -> int:
        """Lines in the log, without reading it."""
        return self._log.stat().st_size // LINE_BYTES

    def lines(self) -> list[Line]:
        """The whole log."""
        fields = (line.split() for line in self._log.read_text(encoding="ascii").splitlines())
        return [Line(what, int(number), int(at_ns)) for what, number, at_ns in fields]

    def wait(self, reached: Callable[[], bool], patience_s: float) -> bool:
        """Look until it is so; False when patience ran out. Raises StoppedError."""
        deadline = time.monotonic() + patience_s
        while not reached():
            if time.monotonic() > deadline:
                return False
            self.pause(LOOK_EVERY_S)
        return True

    def must(self, reached: Callable[[], bool], what: str, patience_s: float = ANSWER_PATIENCE_S) -> None:
        """The same, but raises PeerFailedError when patience ran out."""
        if not self.wait(reached, patience_s):
            raise self._failed(f"{what} not within {patience_s:.0f} s")

    def pause(self, seconds: float) -> None:
        """Sleep. Raises StoppedError."""
        if self._stop.wait(seconds):
            raise StoppedError

    def _start(self, role: str) -> "subprocess.Popen[str]":
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        command: Sequence[str] = [self._command[0], self._command[1], role, *self._arguments]
        with self._errors.open("ab") as errors:
            child = subprocess.Popen(
                command,
                env={**environment, "PEER_LOG": str(self._log)},
                cwd=self._log.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,  # Ctrl-C is for the harness, and one kill reaches the whole tree
            )
        self._children.append(child)
        return child

    def _answer(self, child: "subprocess.Popen[str]") -> dict[str, Any]:
        assert child.stdout is not None
        deadline = time.monotonic() + ANSWER_PATIENCE_S
        while not select.select([child.stdout], [], [], 0.1)[0]:
            if self._stop.is_set():
                raise StoppedError
            if time.monotonic() > deadline:
                raise self._failed(f"no answer within {ANSWER_PATIENCE_S:.0f} s")
        line = child.stdout.readline()
        if not line:
            raise self._failed("it died")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self, what: str) -> PeerFailedError:
        said = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return PeerFailedError(f"{what}; its last words: {said[-1] if said else 'none'}")


def kill(child: "subprocess.Popen[str]") -> None:
    """kill -9 of a process and of everything that it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
