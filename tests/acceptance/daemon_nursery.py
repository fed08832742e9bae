"""Brings forth one daemon after another by forking: the product's own `roundsman run`, without the half second that an
interpreter takes to read its modules, so that kills hit the work and not the imports.

Reads a line for each life from stdin and answers with the PID.
"""

import gc
import os
import signal
import sys

import roundsman.alerts.channels.slack
import roundsman.app.daemon
import roundsman.cli.run  # noqa: F401
from jobs import JOBS
from roundsman.cli import main


def live(log: str) -> None:
    """Be a daemon."""
    for target, descriptor in ((os.devnull, 0), (log, 1), (log, 2)):
        file = os.open(target, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    main(JOBS, ("run",))


def serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead
    gc.freeze()
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(sys.argv[1])
        print(pid, flush=True)  # noqa: T201 - the answer to the test


serve()
