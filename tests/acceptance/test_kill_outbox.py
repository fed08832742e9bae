"""kill -9 between the delivery of a run's event and its record: delivered at least once, in order, none lost."""

import json
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from roundsman.repositories.engine import Store
from roundsman.repositories.run_outbox import RunOutbox
from roundsman.repositories.run_record import RunEvent, RunRecord
from roundsman.runs.courier import SET
from roundsman.runs.outbox import LEASE

RUNS = 20
NAMES = ["run.waiting", "run.resumed", "run.completed"]
KILLS = [1, 7, 20, 33]


def test_kill_9_loses_no_event_and_leaves_those_of_a_run_in_order(store: Store, httpserver: HTTPServer) -> None:
    heard: list[tuple[int, str, str]] = []

    def take(request: Request) -> Response:
        told = json.loads(request.get_data())
        heard.append((told["run"], told["event"], told["id"]))
        return Response(status=204)

    httpserver.expect_request("/hook", method="POST").respond_with_handler(take)
    events = [RunEvent(run, name, {"run": run, "workflow": "noop"}) for name in NAMES for run in range(RUNS)]
    with store.write() as connection:
        RunRecord().add_events(connection, ["webhook"], events, datetime.now(UTC))

    for after in KILLS:
        assert live(store, httpserver.url_for("/hook"), str(after)) == -signal.SIGKILL
    assert live(store, httpserver.url_for("/hook"), "never") == 0

    with store.read() as connection:
        assert RunOutbox("nobody", LEASE).backlog(connection) == {}
    for run in range(RUNS):
        names = [name for told_run, name, _ in heard if told_run == run]
        assert list(dict.fromkeys(names)) == NAMES
        assert names == sorted(names, key=NAMES.index)
    repeats = Counter(heard)
    assert len({key for _, _, key in heard}) == len(repeats) == len(events), "a repeat is known by its id"
    assert len(KILLS) <= len(heard) - len(events) <= len(KILLS) * SET


def live(store: Store, url: str, after: str) -> int:
    database = store.options.url.render_as_string(hide_password=False)
    command = [sys.executable, str(Path(__file__).with_name("outbox_child.py")), database, url, after]
    return subprocess.run(command, timeout=120, check=False).returncode
