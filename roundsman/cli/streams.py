"""Standard streams that whoever started us has closed (`2>&-`, some old service managers).

Their numbers would go to whatever is opened next: what the log writes to descriptor 2 would then land in the
connection to a database or to Slack.
"""

import os
import sys


def open_closed_streams() -> None:
    """Lead every closed one of stdin, stdout and stderr nowhere. Before anything else is opened."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # takes the lowest free number, which is this one; children get it as well
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))
