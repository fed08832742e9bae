"""Logging of the daemon: into the journal with fields when systemd connected us to it, else readable lines on stderr.

    log.info("Customer waits for %s", name, extra=fields(JOB="conversation_monitor", ALERT=fingerprint))
    log = bind(logging.getLogger(__name__), JOB=job.name, RUN_ID=run_id)      # the same fields on every line

`journalctl -u roundsman JOB=conversation_monitor` then finds them. Everything that leaves, whether message,
arguments, traceback or field, passes one `Redactor`. Control characters are replaced: names come from outside and must
neither drive a terminal nor forge a line. Lines are written with one system call, without buffers, so that logging
is safe from threads, signal handlers and a dying interpreter.

Logging is per process by its nature, hence the one module-level redactor.
"""

import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import Any

from roundsman.journal import Journal, Sent, is_field_name, stream_is_journal
from roundsman.redaction import Redactor

IDENTIFIER = "roundsman"
STDERR = 2

_OWN_FIELDS = frozenset(
    {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "LOGGER", "THREAD", "CODE_FILE", "CODE_LINE", "CODE_FUNC"}
)
_CHATTY = ("apscheduler", "urllib3", "slack_sdk", "alembic", "pymongo")
"""Libraries whose INFO lines tell an administrator nothing; heard from WARNING on unless LOG_LEVEL is DEBUG."""
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (25, 5), (logging.INFO, 6))
_LONGEST_LINE = 32 * 1024
"""Bytes handed to a stream at once when it must not block."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, other line breaks, and those that turn the writing direction."""

_redactor = Redactor()


def setup(level: str, secrets: Iterable[str]) -> None:
    """Send all logging of this process to the journal or to stderr, from `level` (DEBUG ... CRITICAL) on.

    May be called again, for another level after a reload. Secrets add up. Also catches warnings and the exceptions
    that nobody caught, in any thread. Raises ValueError for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"the log level {level!r} is unknown; write DEBUG, INFO, WARNING, ERROR or CRITICAL")
    hide(secrets)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, (JournalHandler, LineHandler))]:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(_handler())
    root.setLevel(number)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET if number <= logging.DEBUG else logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def hide(secrets: Iterable[str]) -> None:
    """Never show these again. Values shorter than 6 characters cannot be hidden."""
    _redactor.hide(secrets)


def redact(text: str) -> str:
    """The text as the log would show it; for other ways out, such as an error kept in the store."""
    return _redactor(text)


def fields(**names: str | int | None) -> dict[str, str]:
    """Journal fields for `extra=`; None leaves one out.

    Raises ValueError for a name that journald would drop or that is ours (MESSAGE, PRIORITY, ...).
    """
    for name in names:
        if not is_field_name(name) or name in _OWN_FIELDS:
            raise ValueError(f"{name!r} cannot be a journal field; use capitals, digits and underscores")
    return {name: str(value) for name, value in names.items() if value is not None}


class BoundLog(logging.LoggerAdapter[logging.Logger]):
    """A logger with fields on every line; those of a call are added (the standard adapter would lose them)."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


def bind(log: logging.Logger, **names: str | int | None) -> BoundLog:
    """This logger with `fields(**names)` on every line."""
    return BoundLog(log, fields(**names))


class JournalHandler(logging.Handler):
    """Entries with fields for the journal; when nobody listens there, plain lines on stderr with a `<N>` priority."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        entry = {
            "MESSAGE": _message(record),
            "PRIORITY": str(_priority(record.levelno)),
            "SYSLOG_IDENTIFIER": IDENTIFIER,
            "LOGGER": record.name,
            "THREAD": record.threadName or "",
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
            **{name: _clean(_redactor(value)) for name, value in _fields_of(record).items()},
        }
        self._hand_over(entry)

    def close(self) -> None:
        self._journal.close()
        super().close()

    def _hand_over(self, entry: Mapping[str, str]) -> None:
        match self._journal.send(entry):
            case Sent.TAKEN if self._lost:
                lost, self._lost = self._lost, 0
                text = f"{lost} log lines were lost while the journal did not read"
                self._hand_over({"MESSAGE": text, "PRIORITY": "4", "SYSLOG_IDENTIFIER": IDENTIFIER})
            case Sent.BUSY:
                self._lost += 1
            case Sent.AWAY:
                _write_prefixed(int(entry["PRIORITY"]), entry["MESSAGE"])


class LineHandler(logging.Handler):
    """`04:12:33 INFO  conversation_monitor  text`, in colour on a terminal."""

    _COLOURS = ((logging.ERROR, "31"), (logging.WARNING, "33"), (logging.INFO, "32"), (0, "2"))

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def emit(self, record: logging.LogRecord) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = f"{record.levelname:<5}"
        if self._colour:
            code = next(code for least, code in self._COLOURS if record.levelno >= least)
            level = f"\x1b[{code}m{level}\x1b[0m"
        who = _who(_fields_of(record)) or record.name.rpartition(".")[2]
        # continuation lines are indented, so that a text from outside cannot pass for a line of its own
        text = _message(record).replace("\n", "\n    ")
        _write(f"{clock} {level} {_clean(who)}  {text}\n".encode("utf-8", "backslashreplace"))


def _handler() -> logging.Handler:
    if stream_is_journal(STDERR, os.environ.get("JOURNAL_STREAM")):
        return JournalHandler(Journal())
    return LineHandler(colour=os.isatty(STDERR) and "NO_COLOR" not in os.environ)


def _fields_of(record: logging.LogRecord) -> dict[str, str]:
    # the standard attributes of a record all hold lower-case letters
    return {name: str(value) for name, value in record.__dict__.items() if name.isupper() and is_field_name(name)}


def _who(names: Mapping[str, str]) -> str | None:
    """The job, or the run: `three_steps 42`."""
    if "WORKFLOW" in names and "RUN_ID" in names:
        return f"{names['WORKFLOW']} {names['RUN_ID']}"
    return names.get("JOB")


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        # the standard library would print the arguments, unredacted, with a traceback
        text = f"{record.msg} {record.args!r} (this line does not fit its arguments: {error})"
    if record.exc_info:
        text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
    if record.stack_info:
        text = f"{text}\n{record.stack_info}"
    return _clean(_redactor(text))


def _clean(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text)


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)


def _write(line: bytes) -> None:
    try:
        while line:
            line = line[os.write(STDERR, line) :]
    except OSError:
        return  # stderr is gone: there is nobody left to tell


def _write_prefixed(priority: int, message: str) -> None:
    """For a stderr that is a journal stream: never blocks, since whoever reads it may be stopped."""
    text = message.replace("\n", f"\n<{priority}>")
    line = f"<{priority}>{text}\n".encode("utf-8", "backslashreplace")[:_LONGEST_LINE]
    try:
        with socket.socket(fileno=os.dup(STDERR)) as stream:
            stream.send(line, socket.MSG_DONTWAIT)
    except OSError:
        return


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger(IDENTIFIER).critical("Nobody caught this error", exc_info=(kind, error, trace))


def _uncaught_in_thread(what: threading.ExceptHookArgs) -> None:
    if what.exc_value is None or issubclass(what.exc_type, SystemExit):
        return
    name = what.thread.name if what.thread else "a thread that is gone"
    logging.getLogger(IDENTIFIER).critical(
        "The thread %s died", name, exc_info=(what.exc_type, what.exc_value, what.exc_traceback)
    )


def _unraisable(what: Any) -> None:
    info = (what.exc_type, what.exc_value, what.exc_traceback) if what.exc_value else None
    logging.getLogger(IDENTIFIER).error("%s: %r", what.err_msg or "Ignored an error in", what.object, exc_info=info)
