"""Drives runs in one life after another, each forked from this process, which has everything imported already.

Reads lines of JSON from stdin and answers with one line each: `["live", PLAN]` begins a life and answers with its PID,
`["wait", PID]` waits for its end and answers with its exit code, or the negative number of the signal that ended it.
"""

import faulthandler
import gc
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg  # noqa: F401  here and not in each life
import redis  # noqa: F401
from crash_points import Points, WatchedQueue, watch_commits
from driven_runs import Ground, Lines, Parts
from sqlalchemy import text
from sqlalchemy.dialects import postgresql  # noqa: F401

import roundsman.queues.bell_notifications
import roundsman.queues.bell_sockets
import roundsman.queues.redis
import roundsman.queues.sqs  # noqa: F401
from roundsman.queues.base import Queue
from roundsman.repositories.engine import Store
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.repositories.runs import RunRepository, RunStatus
from roundsman.runs.desk import Order

LONGEST_LIFE_S = 20
"""Then SIGALRM ends it: it is stuck."""
LOOK_EVERY_S = 0.01
RECONCILE_EVERY_S = 0.1
SUBMITTERS = 3
STEADY = Order("steady", {"seconds": 0.003})


def try_one(ground: Ground, kill_at: str | None, ahead_s: float, *, inside: bool) -> None:
    """Submit a trial unless that was done, give its signal, and see it through; or die at a point on the way.

    `inside`: while the engine serves, which then stores the run itself.
    """
    points = Points(kill_at)
    effects, told = Lines(ground.effects), Lines(ground.told)

    def do(what: str, run_id: int) -> int:
        with points.around(what):
            effects.add(run_id, what, os.getpid())
        return run_id

    def deliver(event: OutgoingEvent) -> None:
        with points.around("deliver"):
            told.add(event.id, event.event)

    def watch(store: Store, remote: Queue | None) -> Queue | None:
        watch_commits(store, points)
        watched: Any = None if remote is None else WatchedQueue(remote, points)
        return watched  # type: ignore[no-any-return]

    parts = Parts.join(ground, do, deliver, ahead_s=ahead_s, watch=watch)
    if inside:
        parts.start()
        number = _submitted(parts) or parts.desk.submit(Order("trial", {})).run_id
    else:
        number = parts.desk.submit(Order("trial", {}, dedup="the same at each try")).run_id
        parts.start()
    looked, signalled = time.monotonic(), False
    while parts.left(hidden=False):
        run = None if signalled else parts.interventions.find(number)
        if run is not None and run.status is RunStatus.WAITING and run.awaits:
            parts.interventions.signal(number, "go")
        signalled = run is None or run.state != "gathering"
        if time.monotonic() > looked + RECONCILE_EVERY_S:
            parts.reconciler.run_once()
            looked = time.monotonic()
        time.sleep(LOOK_EVERY_S)
    parts.stop()
    Path(ground.folder, "points").write_text(json.dumps(points.names))


def _submitted(parts: Parts) -> int | None:
    """The run of an earlier life."""
    with parts.store.read() as connection:
        runs = RunRepository().listed(connection)
    return runs[0].id if runs else None


def drain(ground: Ground, workers: int, ahead_s: float, submit: int) -> None:
    """Drive runs until nothing is left, and submit meanwhile until so many are there."""
    effects, told = Lines(ground.effects), Lines(ground.told)

    def do(what: str, run_id: int) -> int:
        effects.add(run_id, what, os.getpid())
        return run_id

    parts = Parts.join(
        ground, do, lambda event: told.add(event.run_id, event.id, event.event),
        ahead_s=ahead_s, workers=workers,
    )  # fmt: skip
    parts.start()
    submit_up_to(parts, submit)
    looked = time.monotonic()
    while parts.left():
        # As the daemon's poller does: a server may commit what a process had sent just before it was killed
        if time.monotonic() > looked + RECONCILE_EVERY_S:
            parts.reconciler.run_once()
            looked = time.monotonic()
        time.sleep(LOOK_EVERY_S)
    parts.stop()


def submit_up_to(parts: Parts, count: int) -> None:
    """Several at once, each a few together."""
    with parts.store.read() as connection:
        missing = count - int(connection.execute(text("SELECT count(*) FROM runs")).scalar_one())
    sets = [[STEADY] * size for size in (1, 2, 3, 4) for _ in range(max(missing, 0) // 10)]
    sets += [[STEADY]] * (max(missing, 0) - sum(map(len, sets)))
    with ThreadPoolExecutor(SUBMITTERS) as threads:
        list(threads.map(parts.desk.submit_all, sets))


def live(plan: Mapping[str, Any]) -> None:
    """One life."""
    ground = Ground(**plan["ground"])
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(Path(ground.folder, "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for target, descriptor in ((null, 0), (log, 1), (log, 2)):
        os.dup2(target, descriptor)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {os.getpid()} %(threadName)s %(message)s")
    longest_s = plan.get("longest_s", LONGEST_LIFE_S)
    faulthandler.dump_traceback_later(longest_s - 1)  # into the log, for whoever has to find out why
    signal.alarm(longest_s)
    if "workers" in plan:
        drain(ground, plan["workers"], plan["ahead_s"], plan["submit"])
    else:
        try_one(ground, plan["kill_at"], plan["ahead_s"], inside=plan["inside"])


def serve() -> None:
    gc.freeze()
    for line in sys.stdin:
        command, what = json.loads(line)
        if command == "live":
            answer = os.fork()
            if answer == 0:
                try:
                    live(what)
                except BaseException:
                    logging.exception("this life failed")
                    os._exit(1)
                os._exit(0)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(what, 0)[1])
        print(answer, flush=True)  # noqa: T201 - the answer to the test


serve()
