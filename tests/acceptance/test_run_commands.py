"""`roundsman runs` as processes of their own: beside a daemon, across its death, and where there is none."""

import json
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from daemon_process import PATIENCE_S, PRODUCT, Place, until

from roundsman.errors import StoreError
from roundsman.repositories.run_views import RunViews
from roundsman.repositories.runs import RunStatus

pytestmark = pytest.mark.xdist_group("run-commands")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, program=PRODUCT, settings={"LOG_LEVEL": "info"})


def submit(place: Place, data: Mapping[str, Any], *options: str) -> int:
    """A run of three_steps; its number."""
    (place.state / "input.json").write_text(json.dumps(data))
    done = place.command("runs", "submit", "three_steps", "--input", "input.json", "--json", *options)
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["id"])


def status(place: Place, run_id: int) -> Any:
    done = place.command("runs", "status", str(run_id), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def under_way(place: Place, run_id: int, state: str = "fetching") -> None:
    until(place.file.exists, "a store")

    def look() -> bool:
        with suppress(StoreError), place.store() as store, store.read() as connection:
            run = RunViews().sights(connection, [run_id]).get(run_id)
            return run is not None and (run.status, run.state) == (RunStatus.RUNNING, state)
        return False  # its schema is not there yet

    until(look, f"run {run_id} is under way in {state}")


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def test_submit_and_wait_beside_a_daemon_leaves_the_work_to_it(place: Place) -> None:
    with place.start().ready() as daemon:
        done = place.command("runs", "submit", "three_steps", "--wait")
        assert (done.returncode, done.stderr) == (0, "")
        first, *_, last = done.stdout.splitlines()
        assert first == "Run 1 of three_steps is submitted; a daemon takes it."
        assert last.startswith("Run 1 completed after ")
        assert daemon.stop() == 0


def test_a_cancelled_step_ends_and_so_does_whoever_waits_for_it(place: Place) -> None:
    with place.start().ready() as daemon:
        run_id = submit(place, {"seconds": 60})
        under_way(place, run_id)
        with place.begin("runs", "wait", str(run_id)) as waiting:
            done = place.command("runs", "cancel", str(run_id))
            assert done.stdout == f"Run {run_id} is cancelled; its step, which is under way, is asked to stop.\n"
            code, out, _ = ended(waiting)
        assert code == 1
        assert out.splitlines()[-1].startswith(f"Run {run_id} was cancelled after ")
        assert daemon.stop() == 0  # at once: nothing holds it any more


def test_who_waits_sees_a_killed_daemon_leave_and_another_one_end_the_run(place: Place) -> None:
    with place.start().ready() as daemon:
        run_id = submit(place, {"seconds": 2})
        under_way(place, run_id, "working")
        with place.begin("runs", "wait", str(run_id)) as waiting:
            daemon.kill()
            assert waiting.stderr is not None
            told = waiting.stderr.readline()
            assert "the daemon on " in told.lower()
            assert "Until then run 1 will not go on." in told
            with place.start().ready() as another:
                code, out, err = ended(waiting)
                assert another.stop() == 0
    assert code == 0, err
    assert "roundsman: A daemon is up again." in err
    assert out.splitlines()[-1].startswith("Run 1 completed after ")
    run = status(place, run_id)
    assert [(step["sequence"], step["name"], step["attempt"]) for step in run["steps"]] == [
        (0, "fetch", 1), (1, "work", 1), (2, "wrap_up", 1),
    ]  # fmt: skip


def test_ctrl_c_without_a_daemon_gives_the_run_back_unspent(place: Place) -> None:
    (place.state / "input.json").write_text('{"seconds": 30}')
    with place.begin("runs", "submit", "three_steps", "-i", "input.json", "--wait") as driving:
        under_way(place, 1)
        driving.send_signal(signal.SIGINT)
        code, _, err = ended(driving)
    assert code == 130
    assert "No daemon is running: driving the queue here until run 1 has ended." in err
    assert "Interrupted: run 1 is queued, nothing of it is lost, and whoever drives runs next goes on." in err
    run = status(place, 1)
    assert (run["status"], run["failed_attempts"], run["crashes"], run["held_by"]) == ("queued", 0, 0, None)


def test_a_command_that_was_killed_while_it_drove_leaves_its_run_to_the_next_one(place: Place) -> None:
    run_id = 1
    (place.state / "input.json").write_text('{"seconds": 1}')
    with place.begin("runs", "submit", "three_steps", "-i", "input.json", "--wait") as driving:
        under_way(place, run_id, "working")
        driving.kill()
        driving.communicate(timeout=PATIENCE_S)
    why = place.command("runs", "why", str(run_id)).stdout
    assert "That process is dead" in why
    done = place.command("runs", "submit", "noop", "--wait")  # drives the queue, and first frees what the dead one held
    assert done.returncode == 0, done.stderr
    with place.start().ready() as daemon:
        assert place.command("runs", "wait", str(run_id)).returncode == 0
        assert daemon.stop() == 0
    assert [step["name"] for step in status(place, run_id)["steps"]] == ["fetch", "work", "wrap_up"]
