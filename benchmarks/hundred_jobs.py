"""A hundred jobs of `every 1s` for 30 s: how late runs start, and whether every expected tick has its row.

Run as a program it is that daemon; `measure` starts it and reads its ledger.
"""

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.figures import SQLITE_FULL, Figure, percentile
from benchmarks.process import running
from roundsman.cli import main
from roundsman.owner import Owner
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.tick_history import TickRecord
from roundsman.repositories.ticks import TickRepository
from roundsman.scheduling.job import Job, JobContext, Outcome
from roundsman.scheduling.trigger import parse_trigger

JOBS = 100
SECONDS = 30.0
REPETITIONS = 3


def _job(number: int) -> type[Job]:
    def run(self: Job, ctx: JobContext) -> Outcome:
        return Outcome.done(done=1)

    return type(f"Job{number}", (Job,), {"name": f"job_{number}", "schedule": "every 1s", "run": run})


def measure() -> list[Figure]:
    """Lateness is the start of a run minus its due time, by the wall clock, over all runs of a repetition."""
    p50, p99, worst, without_row, cpu = [], [], [], [], []
    for _ in range(REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            with running(Path(folder), (sys.executable, "-m", "benchmarks.hundred_jobs", "run"), PYTHONPATH=".") as it:
                begun = datetime.now(UTC)
                before = it.cpu_s()
                time.sleep(SECONDS)
                ended = datetime.now(UTC)
                cpu.append(it.cpu_s() - before)
            rows = _rows(Path(folder), begun, ended)
        late_ms = [(row.started_at - row.due_at).total_seconds() * 1000 for row in rows if row.started_at]
        p50.append(percentile(late_ms, 0.5))
        p99.append(percentile(late_ms, 0.99))
        worst.append(max(late_ms))
        expected = len(list(parse_trigger("every 1s", ZoneInfo("UTC")).between(begun, ended))) * JOBS
        without_row.append(float(expected - len({(row.job, row.due_at) for row in rows})))
    return [
        Figure("schedule.hundred_jobs.lateness.p50_ms", "ms", SQLITE_FULL, p50),
        Figure("schedule.hundred_jobs.lateness.p99_ms", "ms", SQLITE_FULL, p99),
        Figure("schedule.hundred_jobs.lateness.max_ms", "ms", SQLITE_FULL, worst),
        Figure("schedule.hundred_jobs.ticks_without_row", "ticks", SQLITE_FULL, without_row),
        Figure("schedule.hundred_jobs.cpu_s_per_30s", "s", SQLITE_FULL, cpu),
    ]


def _rows(state: Path, begun: datetime, ended: datetime) -> list[TickRecord]:
    store = Store(StoreOptions(parse_url(f"sqlite:///{state}/roundsman.db")))
    with store.read() as connection:
        rows = TickRepository(store, Owner.this_process()).history(connection, None, limit=1_000_000)
    store.close()
    return [row for row in rows if begun < row.due_at <= ended]


if __name__ == "__main__":
    main([_job(number) for number in range(JOBS)])
