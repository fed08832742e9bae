"""SIGHUP: other settings without a restart, or the old ones kept."""

import signal
from pathlib import Path

import pytest
from daemon_process import DaemonProcess, Place, until

pytestmark = pytest.mark.xdist_group("daemon-lifecycle")

OLD_HOOK = "https://hooks.slack.com/services/T000/B000/old-secret-of-the-hook"
NEW_HOOK = "https://hooks.slack.com/services/T000/B000/new-secret-of-the-hook"


def write_env(place: Place, *lines: str) -> None:
    (place.state / ".env").write_text("".join(f"{line}\n" for line in lines))


def reload(daemon: DaemonProcess) -> None:
    """SIGHUP, and wait until it says that it is done."""
    before = daemon.notifications.count("READY=1")
    daemon.signal(signal.SIGHUP)
    daemon.notified("READY=1", before + 1)


def test_changed_settings_are_taken_over_and_told_with_secrets_masked(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick,second")
    write_env(
        place,
        "JOB_QUICK_SCHEDULE=every 300d",
        "JOB_SECOND_SCHEDULE=every 300d",
        "CONVERSATION_THRESHOLD_MINUTES=15",
        f"SLACK_WEBHOOK_URL={OLD_HOOK}",
    )
    with place.start().ready() as daemon:
        write_env(
            place,
            "JOB_QUICK_SCHEDULE=every 300ms",
            "CONVERSATION_THRESHOLD_MINUTES=20",
            "LOG_LEVEL=debug",
            f"SLACK_WEBHOOK_URL={NEW_HOOK}",
            "ROUNDSMAN_SHUTDOWN_SECONDS=7",
        )
        reload(daemon)
        log = daemon.log()
        for difference in (
            "Settings: LOG_LEVEL: info -> debug\n",
            "Settings: CONVERSATION_THRESHOLD_MINUTES: 15 -> 20\n",
            "Settings: JOB_QUICK_SCHEDULE: every 300d -> every 300ms\n",
            "Settings: JOB_SECOND_SCHEDULE: every 300d -> not set\n",
            "Settings: SLACK_WEBHOOK_URL: changed\n",
            "Settings: ROUNDSMAN_SHUTDOWN_SECONDS: 25 -> 7 (takes effect after a restart)\n",
        ):
            assert difference in log
        assert "secret-of-the-hook" not in log
        place.runs("quick", 2)
        place.runs("second", 1)  # its own schedule again
        daemon.logged("DEBUG quick")
        assert all(row.due_at.timestamp() % 0.3 < 0.001 or row.due_at.timestamp() % 0.3 > 0.299
                   for row in place.rows("quick"))  # fmt: skip
        lines = daemon.notifications.lines()
        assert lines.index("RELOADING=1") < len(lines) - 1 - lines[::-1].index("READY=1")
        assert any(line.startswith("MONOTONIC_USEC=") for line in lines)
        assert daemon.stop() == 0


def test_a_broken_file_keeps_the_old_settings_and_every_fault_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick")
    write_env(place, "LOG_LEVEL=info")
    with place.start().ready() as daemon:
        write_env(place, "LOG_LEVEL=loud", "JOB_QUICK_SCHEDULE=every now and then", "CONVERSATION_TRESHOLD_MINUTES=3")
        reload(daemon)
        log = daemon.log()
        assert "Reload refused, the settings in force stay: " in log
        assert "LOG_LEVEL (.env line 1): 'loud'" in log
        assert "CONVERSATION_TRESHOLD_MINUTES (.env line 3)" in log
        write_env(place, "JOB_QUICK_SCHEDULE=every now and then", "JOB_QUIK_SCHEDULE=every 1s")
        reload(daemon)
        assert "JOB_QUICK_SCHEDULE: " in daemon.log()
        assert "JOB_QUIK_SCHEDULE: there is no job 'quik'" in daemon.log()
        place.runs("quick", 2)
        write_env(place)
        reload(daemon)
        daemon.logged("Settings read again: no difference")
        assert "Traceback" not in daemon.log()
        assert daemon.stop() == 0


def test_a_job_that_is_switched_off_and_on_again_owes_nothing_for_the_time_between(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick,second")
    with place.start().ready() as daemon:
        place.runs("quick", 2)
        write_env(place, "JOB_QUICK_ENABLED=off")
        reload(daemon)
        newest = place.rows("quick")[-1].due_at
        place.runs("second", 2)
        assert place.rows("quick")[-1].due_at == newest
        write_env(place)
        reload(daemon)
        place.runs("quick", 2)
        assert "missed" not in {row.state.value for row in place.rows("quick")}
        assert daemon.stop() == 0


def test_a_run_under_way_survives_a_reload(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="slow")
    with place.start(TRIAL_SECONDS="2").ready() as daemon:
        daemon.logged("slow work begins")
        write_env(place, "JOB_SLOW_SCHEDULE=every 300d", "JOB_SLOW_ENABLED=off")
        reload(daemon)
        until(lambda: place.row("slow").outcome == "done", "the end of the run")
        assert len(place.rows("slow")) == 1
        assert daemon.stop() == 0


def test_other_policies_are_taken_over_and_broken_ones_are_not(tmp_path: Path) -> None:
    place = Place(tmp_path, jobs="quick", settings={"POLICIES_FILE": "policies.toml"})
    policy = '[[policy]]\nname = "p"\nfirst_response = "{}"\n'
    file = place.state / "policies.toml"
    file.write_text(policy.format("10"))
    with place.start() as daemon:
        assert daemon.ends() == 78
        assert "policies.toml line 3: " in daemon.log()
    file.write_text(policy.format("10m"))
    with place.start().ready() as daemon:
        file.write_text(policy.format("10"))
        reload(daemon)
        assert "Reload refused, the settings in force stay: policies.toml line 3: " in daemon.log()
        file.write_text(policy.format("20m"))
        reload(daemon)
        daemon.logged("Policies: version ")
        reload(daemon)
        daemon.logged("Settings read again: no difference")
        file.write_text(policy.format("20m") + '[[route]]\nname = "all"\nrepeat = "1h"\n')
        reload(daemon)
        daemon.logged("Rules of alerts: version ")
        assert daemon.log().count("Policies: version ") == 1
        assert daemon.stop() == 0
