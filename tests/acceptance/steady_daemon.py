"""The daemon with one workflow of three steps, and with short leases: `python steady_daemon.py run`.

TRIAL_FILE is where steps leave a line of what they did; TRIAL_LEASE_SECONDS how long a daemon may be out of sight.
"""

import os
from datetime import timedelta
from pathlib import Path

from driven_runs import Lines
from trial_workflows import Steady

import roundsman.app.runs
from jobs.queue_poller import QueuePoller
from roundsman.cli import main


class SteadyHere(Steady):
    """Writes down what it does."""

    def __init__(self) -> None:
        lines = Lines(Path(os.environ["TRIAL_FILE"]))

        def do(what: str, run_id: int) -> int:
            lines.add(run_id, what, os.getpid())
            return run_id

        super().__init__(do)


if __name__ == "__main__":
    roundsman.app.runs.LEASE = timedelta(seconds=float(os.environ["TRIAL_LEASE_SECONDS"]))
    main([QueuePoller], workflows=[SteadyHere])
