"""The command line: `roundsman COMMAND`, one file a command group.

`roundsman run` takes no option, so nothing reads its command line: a daemon that imported Typer, and what that brings
along, would start 0.1 s later and be 8 MiB larger for its whole life.

Faults that people can mend come out as one sentence on stderr with the exit code that the error carries (see
`roundsman.errors`). Everything else keeps its traceback: it is a bug, and hiding it would not help anybody.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from roundsman.cli.output import OutputError, ReaderGoneError, complain
from roundsman.cli.streams import open_closed_streams
from roundsman.errors import EXIT_FAILED, EXIT_INTERRUPTED, ConfigurationError, RoundsmanError
from roundsman.fsm.workflow import Workflow
from roundsman.scheduling.job import Job

if TYPE_CHECKING:
    from roundsman.cli.session import Session


def main(
    jobs: Sequence[type[Job]], arguments: Sequence[str] | None = None, *, workflows: Sequence[type[Workflow]] = ()
) -> None:
    """Run one command with the product's jobs and workflows, and exit."""
    open_closed_streams()
    from roundsman.cli.session import Session

    session = Session(jobs, workflows=workflows)
    status = EXIT_FAILED
    try:
        status = _carry_out(sys.argv[1:] if arguments is None else list(arguments), session)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else EXIT_FAILED
    except ConfigurationError as error:
        for fault in error.faults:
            complain(fault)
        status = error.exit_code
    except RoundsmanError as error:
        complain(str(error))
        status = error.exit_code
        if isinstance(error, OutputError):
            _forget_output()
    except ReaderGoneError:
        _forget_output()
        status = 0
    except KeyboardInterrupt:  # of a daemon that does not serve yet
        status = EXIT_INTERRUPTED
    finally:
        session.close()
    sys.stdout.flush()
    sys.exit(status)


def _carry_out(arguments: list[str], session: "Session") -> int:
    """Returns the exit code."""
    if arguments == ["run"]:
        from roundsman.cli.service import serve

        serve(session)
    from roundsman.cli.commands import build

    status: int = build()(args=arguments, prog_name="roundsman", obj=session, standalone_mode=True)
    return status


def _forget_output() -> None:
    """Send what is still in the buffer nowhere; Python would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
