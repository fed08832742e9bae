"""What people decide about runs: guarded changes that anybody may make, whoever holds the run.

Each names the statuses that it applies to and, where it follows from what was read, the token: one row changed means
that it counted. A run taken from its holder gets a new token, so that its holder's next commit changes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, exists, null, update

from roundsman.repositories.run_tables import runs
from roundsman.repositories.runs import UNFINISHED, Run, RunStatus

CANCEL, PAUSE = "cancel", "pause"
"""What a holder is asked to do."""

_RUNNING = runs.c.status == RunStatus.RUNNING.value


class RunDecisions:
    """Every method works in the caller's transaction. None and empty answers mean: it was not so any more."""

    def cancel(self, connection: Connection, run_id: int, now: datetime, expires_at: datetime | None) -> bool:
        """End an unfinished run. Its holder, if any, is asked to stop and can write nothing more."""
        done = (
            update(runs)
            .where(runs.c.id == run_id, UNFINISHED)
            .values(
                status=RunStatus.CANCELLED.value,
                token=runs.c.token + 1,
                asked=case((_RUNNING, CANCEL), else_=null()),
                lease_until=None,
                not_before=None,
                awaits=None,
                on_time=None,
                finished_at=now,
                expires_at=expires_at,
            )
        )
        return connection.execute(done).rowcount == 1

    def heard(self, connection: Connection, run_ids: Collection[int]) -> None:
        """The former holder of these cancelled runs knows."""
        told = (
            update(runs)
            .where(runs.c.id.in_(list(run_ids)), runs.c.status == RunStatus.CANCELLED.value)
            .values(asked=None, owner=None)
        )
        connection.execute(told)

    def pause(self, connection: Connection, run_id: int) -> RunStatus | None:
        """Stop a run where it stands; one under way, still running, at the end of its step. None if it is finished."""
        # In one statement: between two of them the run may be claimed, or let go
        paused = (
            update(runs)
            .where(runs.c.id == run_id, UNFINISHED)
            .values(
                status=case((_RUNNING, runs.c.status), else_=RunStatus.PAUSED.value),
                asked=case((_RUNNING, PAUSE), else_=null()),
            )
            .returning(runs.c.status)
        )
        status: str | None = connection.execute(paused).scalar()
        return None if status is None else RunStatus(status)

    def keep_running(self, connection: Connection, run_id: int) -> bool:
        """Take back a pause that its holder has not come to yet."""
        back = update(runs).where(runs.c.id == run_id, UNFINISHED, _RUNNING, runs.c.asked == PAUSE).values(asked=None)
        return connection.execute(back).rowcount == 1

    def resume(self, connection: Connection, run: Run, message_id: str | None) -> bool:
        """Let a paused run go on: queued, or waiting as it was."""
        # One that was claimed as its time had come has only to go on
        waits = run.awaits is not None or (run.on_time is not None and run.not_before is not None)
        going = (
            update(runs)
            .where(runs.c.id == run.id, runs.c.status == RunStatus.PAUSED.value, runs.c.token == run.token)
            .values(status=(RunStatus.WAITING if waits else RunStatus.QUEUED).value, message_id=message_id)
        )
        return connection.execute(going).rowcount == 1

    def signalled(self, connection: Connection, run: Run, to: Mapping[str, Any]) -> bool:
        """An event from outside ends a wait; `to` holds the columns that follow from it."""
        done = (
            update(runs)
            .where(runs.c.id == run.id, runs.c.status == RunStatus.WAITING.value, runs.c.token == run.token)
            .values(token=runs.c.token + 1, awaits=None, on_time=None, **to)
        )
        return connection.execute(done).rowcount == 1

    def revive(self, connection: Connection, run_ids: Sequence[int]) -> list[int]:
        """Queue failed runs anew where they stand, all attempts before them; not those that were retried already.

        Their messages are to be put back, and `RunRepository.sent` to be told so.
        """
        retried = runs.alias("retried")
        again = (
            update(runs)
            .where(
                runs.c.id.in_(run_ids),
                runs.c.status == RunStatus.FAILED.value,
                ~exists().where(retried.c.retry_of == runs.c.id),
            )
            .values(
                status=RunStatus.QUEUED.value,
                attempt=0,
                crashes=0,
                not_before=None,
                error=None,
                finished_at=None,
                expires_at=None,
                message_id=None,
                token=runs.c.token + 1,
            )
            .returning(runs.c.id)
        )
        return sorted(connection.execute(again).scalars())
