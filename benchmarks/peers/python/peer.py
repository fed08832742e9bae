"""What the Python peers share: one handler, its log, and the two roles that a peer plays.

Runs in the peers' own environment and imports nothing of ours. As `client` it obeys one JSON request a line on
standard input; as `worker` it works until it is killed, or until its standard input ends because the harness is gone.
"""

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from importlib.metadata import version
from threading import Thread
from typing import Any

_LOG = os.open(os.environ["PEER_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def note(what: str, number: int) -> None:
    """One line of 32 bytes, so that the harness counts lines by the file's size."""
    os.write(_LOG, b"%s %8d %20d\n" % (what.encode(), number, time.monotonic_ns()))


def handle(number: int, seconds: float) -> None:
    """The job: S when it starts; one that takes time also says E when it ends."""
    note("S", number)
    if seconds:
        time.sleep(seconds)
        note("E", number)


class Peer(ABC):
    """One tool on one store. The constructor declares its tasks and opens nothing."""

    package: str

    def __init__(self, store: str, options: dict[str, Any]) -> None:
        self.store = store
        self.options = options

    def prepare(self) -> None:  # noqa: B027  many tools have nothing to prepare
        """Create tables, if the tool has any, and connect what only the client needs."""

    @abstractmethod
    def enqueue(self, numbers: range, seconds: float) -> None:
        """Submit one job a number, in the quickest way that the tool has."""

    @abstractmethod
    def unfinished(self) -> int:
        """Jobs that the tool itself does not hold for finished."""

    @abstractmethod
    def work(self) -> None:
        """Work for ever."""

    def run_steps(self, runs: int) -> float:
        """Seconds for so many workflows of three persisted steps, end to end. Only durable workflow tools have it."""
        raise NotImplementedError


def main(kind: type[Peer]) -> None:
    """Play the role that the command line names: `client|worker STORE OPTIONS`."""
    role, store, options = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the tool prints must not get among the answers
    peer = kind(store, json.loads(options))
    if role == "client":
        for line in sys.stdin:
            print(json.dumps(_obey(peer, json.loads(line))), file=answers)
    else:
        Thread(target=_die_with_the_harness, daemon=True).start()
        print(json.dumps({"ready": True}), file=answers)
        peer.work()


def _obey(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    match request["do"]:
        case "prepare":
            peer.prepare()
            return {"version": version(peer.package)}
        case "enqueue":
            numbers = range(request["first"], request["first"] + request["jobs"])
            begun = time.monotonic_ns()
            peer.enqueue(numbers, request["seconds"])
            return {"begun_ns": begun}
        case "unfinished":
            return {"unfinished": peer.unfinished()}
        case "run_steps":
            return {"seconds": peer.run_steps(request["runs"])}
        case unknown:
            raise ValueError(f"no request {unknown!r}")


def _die_with_the_harness() -> None:
    sys.stdin.read()
    os._exit(0)
