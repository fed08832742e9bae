"""Which runs the threads of a process are at, readable after its death.

A step may kill its process: by its memory, by a library that crashes. Such a run must not do so for ever, so processes
that died with it are counted. But a process holds many runs that it has claimed ahead, and those are innocent. So each
thread notes the run whose step it is at in a small file that is mapped into memory: no system call, and the kernel
keeps what was written when the process is killed (a power cut may lose it, but no step cuts the power).
"""

import mmap
import struct
from contextlib import suppress
from pathlib import Path

from roundsman.owner import Owner

SLOTS = 512
"""Threads that can be noted; one beyond them goes without, which at worst forgives a crash."""

_SLOT = struct.Struct("<q")
_BEGINNING, _END = "under-way-", ".runs"


class BlackBox:
    """The notes of one process. Without a place nothing is noted, and every run that it held counts as begun."""

    def __init__(self, place: tuple[Path, Owner] | None = None) -> None:
        self._path = None if place is None else _path(*place)
        self._map: mmap.mmap | None = None
        self._free = list(range(SLOTS))

    def open(self) -> None:
        """Begin to note. A folder that cannot be written is no reason not to work."""
        if self._path is None:
            return
        with suppress(OSError):
            self._path.write_bytes(bytes(SLOTS * _SLOT.size))
            with self._path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), 0)

    def seat(self) -> int:
        """A thread's own slot, -1 if there is none left. Called by the threads themselves."""
        try:
            return self._free.pop()
        except IndexError:
            return -1

    def note(self, slot: int, run_id: int) -> None:
        """The thread is at this run's step now; 0: at none."""
        if self._map is not None and slot >= 0:
            _SLOT.pack_into(self._map, slot * _SLOT.size, run_id)

    def leave(self, slot: int) -> None:
        """The thread has ended."""
        if slot >= 0:
            self.note(slot, 0)
            self._free.append(slot)

    def close(self) -> None:
        """Nothing was under way any more, or what was is given back."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def found(folder: Path, owners: set[str]) -> dict[str, frozenset[int]]:
    """What dead processes of this machine noted: by owner, the runs that they were at."""
    notes = {}
    for owner in owners:
        with suppress(OSError, ValueError):
            raw = _path(folder, Owner.parse(owner)).read_bytes()
            notes[owner] = frozenset(run_id for (run_id,) in _SLOT.iter_unpack(raw) if run_id)
    return notes


def remove(folder: Path, owners: set[str]) -> None:
    """They have been read, and what follows from them is committed."""
    for owner in owners:
        with suppress(OSError, ValueError):
            _path(folder, Owner.parse(owner)).unlink()


def left_behind(folder: Path) -> set[str]:
    """The owners of notes whose processes are surely dead, whether they held anything or not."""
    found = set()
    for path in folder.glob(f"{_BEGINNING}*{_END}"):
        with suppress(ValueError):
            owner = Owner.parse(path.name.removeprefix(_BEGINNING).removesuffix(_END).replace(",", "/"))
            if _path(folder, owner) == path and owner.surely_dead():
                found.add(str(owner))
    return found


def _path(folder: Path, owner: Owner) -> Path:
    """The whole owner stands in its name: who finds it can tell whether he lives."""
    return folder / f"{_BEGINNING}{str(owner).replace('/', ',')}{_END}"
