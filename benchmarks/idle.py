"""What the daemon costs when nothing happens, with its default settings: start-up, memory, CPU."""

import tempfile
import time
from pathlib import Path

from benchmarks.figures import SQLITE_FULL, Figure
from benchmarks.process import running

STARTS = 7
IDLE_S = 30.0
IDLE_RUNS = 3
SETTLE_S = 3.0


def measure() -> list[Figure]:
    """READY is timed from exec on an existing store; CPU and memory after it has settled."""
    ready, rss, cpu = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with running(state):
            pass  # makes the store, so that the counted starts are those of every other day
        for index in range(STARTS):
            with running(state) as daemon:
                ready.append(daemon.ready_s)
                if index < IDLE_RUNS:
                    time.sleep(SETTLE_S)
                    before = daemon.cpu_s()
                    time.sleep(IDLE_S)
                    cpu.append(daemon.cpu_s() - before)
                    rss.append(daemon.rss_mib())
    return [
        Figure("daemon.ready.s", "s", SQLITE_FULL, ready),
        Figure("daemon.idle.rss_mib", "MiB", SQLITE_FULL, rss),
        Figure("daemon.idle.cpu_s_per_30s", "s", SQLITE_FULL, cpu),
    ]
