"""Lines on stderr as an administrator sees them, and what the journal is handed."""

import logging
import os
import pathlib
import re
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from roundsman import logs
from roundsman.journal import Journal

LOG = logging.getLogger("roundsman.somewhere")


@pytest.fixture(autouse=True)
def _logging_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    root = logging.getLogger()
    kept = (list(root.handlers), root.level, sys.excepthook, threading.excepthook, sys.unraisablehook)
    yield
    root.handlers[:], level, sys.excepthook, threading.excepthook, sys.unraisablehook = kept
    root.setLevel(level)
    logging.captureWarnings(False)
    for name in ("apscheduler", "urllib3", "slack_sdk", "alembic", "pymongo"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_a_line_names_time_level_job_and_text(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    LOG.info("4 of %d are late", 12, extra=logs.fields(JOB="conversation_monitor"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO  conversation_monitor  4 of 12 are late\n", capfd.readouterr().err)


def test_without_a_job_the_line_names_the_part_that_speaks(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    LOG.warning("odd")
    assert capfd.readouterr().err.endswith(" WARNING somewhere  odd\n")


def test_setup_again_changes_the_level_and_does_not_double_the_lines(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    logs.setup("debug", [])
    LOG.debug("once")
    assert capfd.readouterr().err.count("once") == 1


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'LOUD' is unknown; write DEBUG"):
        logs.setup("LOUD", [])


def test_chatty_libraries_are_heard_from_warning_on(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    logging.getLogger("apscheduler.scheduler").info("Adding job tentatively")
    logging.getLogger("apscheduler.scheduler").warning("missed")
    assert "tentatively" not in (err := capfd.readouterr().err)
    assert "missed" in err


def test_secrets_are_hidden_in_message_arguments_traceback_and_stack(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", ["sup3r-secret"])
    try:
        raise ConnectionError("no route to sup3r-secret")
    except ConnectionError:
        LOG.exception("sent %s to sup3r-secret", {"token": "sup3r-secret"}, stack_info=True)
    err = capfd.readouterr().err
    assert "sup3r-secret" not in err
    assert "ConnectionError: no route to ***" in err


def test_a_secret_learnt_later_is_hidden_too(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    logs.hide(["l4ter-secret"])
    LOG.info("l4ter-secret")
    assert "l4ter-secret" not in capfd.readouterr().err
    assert logs.redact("l4ter-secret") == "***"


def test_arguments_that_do_not_fit_still_give_a_line_without_the_secret(capfd: pytest.CaptureFixture[str]) -> None:
    logs.hide(["sup3r-secret"])
    logger = logging.Logger("roundsman.apart")  # pytest's own handlers would complain first
    logger.addHandler(logs.LineHandler(colour=False))
    logger.info("%d customers", "sup3r-secret")
    err = capfd.readouterr().err
    assert "%d customers" in err
    assert "does not fit its arguments" in err
    assert "sup3r-secret" not in err


def test_text_from_outside_cannot_forge_a_line_or_drive_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    LOG.info("customer %s", "A\x1b[2J\r\n04:00:00 ERROR disk  full\u202e")
    err = capfd.readouterr().err
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert [line[:4] for line in err.splitlines()[1:]] == ["    "]


def test_vietnamese_and_emoji_stay_readable(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    LOG.info("Khách Nguyễn Thị Ánh đang chờ 👩‍👧 đã lâu")
    assert "Khách Nguyễn Thị Ánh đang chờ 👩‍👧 đã lâu" in capfd.readouterr().err


def test_broken_text_is_shown_escaped_rather_than_lost(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    LOG.info("file %s", os.fsdecode(b"caf\xe9"))
    assert "file caf\\udce9" in capfd.readouterr().err


def test_warnings_and_uncaught_errors_of_any_thread_reach_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", ["sup3r-secret"])

    def fail() -> None:
        raise ValueError("sup3r-secret")

    thread = threading.Thread(target=fail, name="sender")
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old sup3r-secret", DeprecationWarning, stacklevel=1)
    err = capfd.readouterr().err
    assert "The thread sender died" in err
    assert "Nobody caught this error" in err
    assert "DeprecationWarning: old ***" in err
    assert "sup3r-secret" not in err


def test_a_signal_handler_may_log_while_a_line_is_being_written(capfd: pytest.CaptureFixture[str]) -> None:
    logs.setup("INFO", [])
    previous = signal.signal(signal.SIGUSR1, lambda *_: LOG.info("from the handler"))
    main = threading.main_thread().ident
    assert main is not None
    done = threading.Event()

    def disturb() -> None:
        for _ in range(200):
            signal.pthread_kill(main, signal.SIGUSR1)
        done.set()

    thread = threading.Thread(target=disturb)
    thread.start()
    while not done.is_set():
        LOG.info("from the loop")
    thread.join()
    signal.signal(signal.SIGUSR1, previous)
    lines = capfd.readouterr().err.splitlines()
    assert any(line.endswith("from the handler") for line in lines)
    assert all(line.endswith(("from the loop", "from the handler")) for line in lines)


@pytest.mark.parametrize("name", ["job", "_JOB", "1JOB", "JOB-ID", "MESSAGE", "PRIORITY", "A" * 65])
def test_a_name_that_journald_would_drop_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="journal field"):
        logs.fields(**{name: "x"})


def test_fields_leave_out_what_is_none_and_turn_numbers_to_text() -> None:
    assert logs.fields(JOB="a", ALERT=None, ATTEMPT=3) == {"JOB": "a", "ATTEMPT": "3"}


class FakeJournald:
    """A datagram socket in the journal's place, and stderr as a stream to it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = folder / "socket"
        self.receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver.bind(str(self.path))
        self.receiver.settimeout(5)
        self.handler = logs.JournalHandler(Journal(self.path))

    def received(self) -> str:
        return self.receiver.recv(65536).decode()

    def log(self, level: int, text: str, **extra: str) -> None:
        self.handler.emit(
            LOG.makeRecord(LOG.name, level, "/srv/code.py", 7, text, (), None, "function", logs.fields(**extra))
        )


@pytest.fixture
def journald(tmp_path: pathlib.Path) -> Iterator[FakeJournald]:
    fake = FakeJournald(tmp_path)
    yield fake
    fake.handler.close()
    fake.receiver.close()


def test_the_journal_gets_message_priority_origin_and_fields(journald: FakeJournald) -> None:
    logs.hide(["f1eld-secret"])
    journald.log(logging.ERROR, "late", JOB="conversation_monitor", ALERT="f1eld-secret")
    entry = dict(line.split("=", 1) for line in journald.received().splitlines())
    assert entry == {
        "MESSAGE": "late",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "roundsman",
        "LOGGER": "roundsman.somewhere",
        "THREAD": "MainThread",
        "CODE_FILE": "/srv/code.py",
        "CODE_LINE": "7",
        "CODE_FUNC": "function",
        "JOB": "conversation_monitor",
        "ALERT": "***",
    }


def test_bound_fields_and_those_of_a_call_both_arrive(journald: FakeJournald) -> None:
    logger = logging.Logger("roundsman.bound")
    logger.addHandler(journald.handler)
    logs.bind(logger, JOB="report", RUN_ID=7).info("text", extra=logs.fields(ALERT="a:1"))
    entry = journald.received()
    assert "\nJOB=report\n" in entry
    assert "\nRUN_ID=7\n" in entry
    assert "\nALERT=a:1\n" in entry


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (25, 5), (logging.INFO, 6), (logging.DEBUG, 7)],
)
def test_levels_become_syslog_priorities(journald: FakeJournald, level: int, priority: int) -> None:
    journald.log(level, "text")
    assert f"\nPRIORITY={priority}\n" in journald.received()


def test_when_the_journal_is_gone_the_line_goes_to_stderr_with_its_priority(
    journald: FakeJournald, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(logs, "STDERR", ours.fileno())
    journald.path.unlink()
    with ours, theirs:
        journald.log(logging.WARNING, "two\nlines", JOB="report")
        assert theirs.recv(1000) == b"<4>two\n<4>lines\n"


def test_a_journal_that_does_not_read_costs_one_wait_and_the_lost_lines_are_counted(journald: FakeJournald) -> None:
    before = time.monotonic()
    for number in range(400):
        journald.log(logging.INFO, f"line {number}")
    assert time.monotonic() - before < 3
    read = 0
    journald.receiver.setblocking(False)
    try:
        while journald.received():
            read += 1
    except BlockingIOError:
        pass
    assert 0 < read < 400
    journald.log(logging.INFO, "again")
    assert "MESSAGE=again" in journald.received()
    assert f"MESSAGE={400 - read} log lines were lost" in journald.received()
