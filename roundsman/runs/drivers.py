"""Who drives runs on this store: its daemons, and the job that makes a daemon do it.

A daemon's row does not tell whether it drives runs, so the settings of whoever looks decide: on one machine they are
the daemon's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from roundsman.clock import short_duration
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository


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
        if self.alive and self.job is not None and self.job.enabled:
            return None
        if self.alive and self.job is not None:
            name = f"JOB_{self.job.name}_ENABLED".upper()
            return (
                f"The job {self.job.name} is disabled in these settings, and a daemon without it drives no runs: "
                f"take {name} away and restart it."
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


def drivers_of(connection: Connection, job: DrivingJob | None, now: datetime) -> Drivers:
    """Who there is, in the caller's transaction."""
    daemons = DaemonRepository().all(connection)
    alive = [each for each in daemons if each.is_alive(now)]
    return Drivers(job, alive, [each for each in daemons if each not in alive])
