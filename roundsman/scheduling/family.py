"""A process and everything that it has started, to be killed as one."""

import contextlib
import os
import signal
from pathlib import Path


def kill_family(leader: int) -> None:
    """SIGKILL for the group of this leader, and for its descendants that have groups or sessions of their own.

    A descendant whose parent is gone belongs to nobody and is found by its group alone.
    """
    for pid in _descendants(leader):
        if pid != os.getpid():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found[1:]
