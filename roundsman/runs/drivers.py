"""Who drives runs on this store: its daemons, and the job that makes a daemon do it.

A daemon's row tells by which settings it drives runs, and that it drives none. Whoever looks has settings of his own,
which may be others: what follows from them is then not what happens there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from roundsman.clock import short_duration
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.driving import DrivingFacts


@dataclass(frozen=True)
class DrivingJob:
    """The job that asks for the engine."""

    name: str
    enabled: bool


@dataclass(frozen=True)
class Drivers:
    """The daemons as they were last heard of."""

    job: DrivingJob | None
    alive: Sequence[DaemonRecord]
    silent: Sequence[DaemonRecord]
    """They have not said good-bye: killed, hanging, or cut off."""

    def nobody(self, now: datetime) -> str | None:
        """Why nobody drives runs and what to do about it, in a sentence; None if somebody does."""
        if any(each.driving is not None for each in self.alive):
            return None
        if self.alive and self.job is not None:
            name = f"JOB_{self.job.name}_ENABLED".upper()
            daemon = self.alive[0]
            return (
                f"The daemon on {daemon.host} (process {daemon.pid}) drives no runs, as the job {self.job.name} was "
                f"disabled when it started: see that {name} is not off there, and restart it."
            )
        if self.alive:
            return "No job of this program drives runs."
        if self.silent:
            last = max(self.silent, key=lambda each: each.heartbeat_at)
            since = short_duration(now - last.heartbeat_at)
            return (
                f"The daemon on {last.host} (process {last.pid}) has given no sign of life for {since}, and there is "
                "no other: start one with `roundsman run`."
            )
        return "No daemon is running on this store: start one with `roundsman run`."

    def capacity(self) -> int:
        """How many steps go at a time in all of them."""
        return sum(each.driving.workers for each in self.alive if each.driving is not None)

    def others(self, here: DrivingFacts) -> Iterator[str]:
        """A sentence for each daemon whose settings are not those of whoever looks."""
        for each in self.alive:
            differences = [] if each.driving is None else list(each.driving.differences(here))
            if differences:
                yield (
                    f"The daemon on {each.host} (process {each.pid}) goes by other settings than this command: "
                    f"{'; '.join(differences)}. Restart it if these are newer."
                )


def drivers_of(connection: Connection, job: DrivingJob | None, now: datetime) -> Drivers:
    """Who there is, in the caller's transaction."""
    daemons = DaemonRepository().all(connection)
    alive = [each for each in daemons if each.is_alive(now)]
    return Drivers(job, alive, [each for each in daemons if each not in alive])
