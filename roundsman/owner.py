"""Who holds a claim: the identity of a process, written beside everything that it has claimed in the store.

A claim of a process that is known to be dead is free at once, without waiting for any lease to run out. That
can be known on the same machine only, so an identity names the machine (boot and PID namespace), the PID and
the start time of the process: PIDs are reused, and after a reboot they mean somebody else. For a process on
another machine the answer is "perhaps alive", and its lease decides.
"""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Owner:
    """One process. `str(owner)` is what the store holds and `parse` reads."""

    host: str
    place: str
    """Boot id and PID namespace: two processes with equal places can see each other in /proc."""
    pid: int
    started: int
    """Clock ticks after boot (field 22 of /proc/PID/stat)."""

    def __str__(self) -> str:
        return f"{self.host}/{self.place}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, text: str) -> Self:
        host, place, pid, started = text.rsplit("/", 3)
        return cls(host, place, int(pid), int(started))

    @classmethod
    def this_process(cls) -> Self:
        return cls(socket.gethostname(), _place(), os.getpid(), _start_time(os.getpid()) or 0)

    def surely_dead(self) -> bool:
        """True only when this machine can prove that the process is gone.

        After a reboot the boot id differs and nothing can be proved by looking; the host name then decides:
        the same host under another boot id has lost all its earlier processes.
        """
        if self.place == _place():
            return _start_time(self.pid) != self.started
        boot, _, namespace = self.place.partition("+")
        here, _, namespace_here = _place().partition("+")
        return self.host == socket.gethostname() and boot != here and namespace == namespace_here


def dead_owners(owners: set[str]) -> set[str]:
    """Of these stored identities, those whose process is surely gone."""
    return {text for text in owners if _surely_dead(text)}


def _surely_dead(text: str) -> bool:
    try:
        return Owner.parse(text).surely_dead()
    except ValueError:  # a queue outside the store may name somebody who is none of ours
        return False


@cache
def _place() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot.replace('-', '')[:12]}+{Path('/proc/self/ns/pid').readlink().name[5:-1]}"


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] == "Z":
        return None
    return int(fields[19])
