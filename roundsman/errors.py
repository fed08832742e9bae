"""The errors that people read: one sentence with the field, the value and the fix, and the exit code it means."""

from collections.abc import Sequence

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
"""Bad input of a command that a person typed (the value of click and of most Unix tools)."""
EXIT_INTERRUPTED = 130
"""As a shell tells of Ctrl-C."""
EXIT_CONFIGURATION = 78
"""EX_CONFIG of sysexits.h. The systemd unit does not restart on it: a wrong setting stays wrong."""


class RoundsmanError(Exception):
    """Base of everything that is reported as one sentence instead of a traceback."""

    exit_code = EXIT_FAILED


class ConfigurationError(RoundsmanError):
    """One or more settings are wrong. `faults` holds one sentence for each, all found at once."""

    exit_code = EXIT_CONFIGURATION

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class BadInputError(RoundsmanError):
    """A file or an argument is wrong; nothing was stored."""

    exit_code = EXIT_USAGE


class StoreError(RoundsmanError):
    """The store cannot serve: locked, full, unreachable, damaged."""


class StoreSchemaError(StoreError):
    """The store was written by another version. Restarting does not help, so the unit must not try."""

    exit_code = EXIT_CONFIGURATION


class SourceError(RoundsmanError):
    """Whoever knows the conversations cannot be asked: unreachable, slow, not allowed, not what we take it for."""


class QueueError(RoundsmanError):
    """The queue cannot serve: unreachable, out of memory, not allowed."""


def place_of(error: BaseException) -> str:
    """Where it was raised, such as `at slack.py:88`: for one line in a log, where a traceback would be too much."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"at {trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
