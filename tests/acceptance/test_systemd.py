"""The daemon under a real systemd: installed, started, watched, restarted, reloaded, cut off and removed."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pytest_httpserver import HTTPServer
from roundsman_box import SAMPLE, SOON, SOURCE, UNIT, RoundsmanBox
from systemd_box import missing

from roundsman.clock import iso

pytestmark = [
    pytest.mark.systemd,
    pytest.mark.slow,
    pytest.mark.xdist_group("systemd"),
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]

LEASE = timedelta(seconds=30)
MONITOR_OFTEN = "JOB_CONVERSATION_MONITOR_SCHEDULE=every 1s"
STRANGER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
PYTHON = "/opt/roundsman/venv/bin/python"
SLOW_DAEMON = (
    "ExecStart=",
    f"ExecStart={PYTHON} {SOURCE}/tests/acceptance/slow_job_daemon.py run",
)


@pytest.fixture(scope="module")
def installed() -> Iterator[RoundsmanBox]:
    """One machine for all tests; each begins with `begin`, so that their order does not matter."""
    machine = RoundsmanBox()
    try:
        machine.boot()
        machine.install()
        yield machine
    finally:
        machine.close()


@pytest.fixture
def box(installed: RoundsmanBox) -> RoundsmanBox:
    installed.begin()
    return installed


def late_conversations(box: RoundsmanBox) -> set[str]:
    """The fingerprints that the sample must lead to. (More may join them: the clock goes on.)"""
    due = box.json("conversations", "due")
    assert due
    return {f"conversation_unreplied:{row['conversation_id']}" for row in due}


def alerted(box: RoundsmanBox) -> Counter[str]:
    """How often each alert was told in the journal, since `begin`."""
    return Counter(entry["ALERT"] for entry in box.entries("JOB=conversation_monitor") if "ALERT" in entry)


def import_sample_and_wait(box: RoundsmanBox) -> set[str]:
    """Returns what was told when nothing was left to tell."""
    box.roundsman("conversations", "import", SAMPLE)
    expected = late_conversations(box)
    box.eventually(lambda: expected <= alerted(box).keys(), "every late conversation is told", SOON)
    return expected


def assert_told_once(box: RoundsmanBox, told: set[str]) -> None:
    """In the journal and in the store."""
    counts = alerted(box)
    assert told <= counts.keys()
    assert set(counts.values()) == {1}
    stored = Counter(alert["fingerprint"] for alert in box.json("alerts", "list"))
    assert told <= stored.keys()
    assert set(stored.values()) == {1}


# --- installation ---


def test_after_installation_it_runs_is_enabled_and_says_what_it_does(box: RoundsmanBox) -> None:
    box.systemctl("start", UNIT)
    state = box.state()
    assert (state["ActiveState"], state["SubState"]) == ("active", "running")
    assert re.match(r"\d+ jobs?, running: .*, next: conversation_monitor at", state["StatusText"])
    assert box.systemctl("is-enabled", UNIT).stdout.strip() == "enabled"
    assert box.run("systemd-analyze", "verify", UNIT).stderr == ""
    assert box.run("stat", "--format=%U:%G %a", "/var/lib/roundsman").stdout.strip() == "roundsman:roundsman 700"
    assert box.run("stat", "--format=%U:%G %a", "/etc/roundsman/credentials").stdout.strip() == "root:root 700"
    assert box.run("stat", "--format=%U:%G %a", "/etc/roundsman/policies.toml").stdout.strip() == "root:roundsman 640"


def test_installing_again_upgrades_restarts_and_keeps_the_settings(box: RoundsmanBox) -> None:
    box.set("LOG_LEVEL=debug")
    box.run("sh", "-c", "echo '# mine' >> /etc/roundsman/policies.toml")
    box.systemctl("start", UNIT)
    before, release = box.main_pid(), box.run("readlink", "/opt/roundsman/venv").stdout
    said = box.install().stdout
    assert "Roundsman runs and starts at every boot" in said
    assert box.main_pid() != before
    assert box.run("readlink", "/opt/roundsman/venv").stdout != release
    assert len(box.run("ls", "/opt/roundsman/releases").stdout.split()) == 1
    assert box.run("cat", "/etc/roundsman/roundsman.env").stdout == "LOG_LEVEL=debug\n"
    assert box.run("cat", "/etc/roundsman/policies.toml").stdout.endswith("\n# mine\n")


def test_uninstalling_keeps_data_and_settings_and_a_new_installation_finds_them(box: RoundsmanBox) -> None:
    box.systemctl("start", UNIT)
    box.run("sh", "-c", f"roundsman conversations import - < {SAMPLE}")
    late = late_conversations(box)
    said = box.install("--uninstall").stdout
    assert "Kept: the data in /var/lib/roundsman" in said
    for gone in ("/opt/roundsman", "/etc/systemd/system/roundsman.service", "/usr/local/bin/roundsman"):
        assert not (box.root / gone[1:]).exists()
    assert box.show(UNIT, "LoadState") == {"LoadState": "not-found"}
    assert (box.root / "etc/roundsman/roundsman.env").exists()
    assert box.install("--uninstall").returncode == 0  # there is nothing left to do
    box.install()
    assert box.state()["ActiveState"] == "active"
    assert late_conversations(box) == late


def test_the_command_tells_a_stranger_to_become_root(box: RoundsmanBox) -> None:
    stranger = box.run(*STRANGER, "roundsman", "status", check=False)
    assert (stranger.returncode, stranger.stderr.count("\n")) == (1, 1)
    assert "try: sudo roundsman status" in stranger.stderr


def test_the_installer_refuses_in_one_sentence_what_it_cannot_do(box: RoundsmanBox) -> None:
    script = f"{SOURCE}/deploy/systemd/install.sh"
    stranger = box.run(*STRANGER, script, check=False)
    assert (stranger.returncode, stranger.stderr.count("\n")) == (1, 1)
    assert "needs root" in stranger.stderr
    assert box.install("--frobnicate", check=False).returncode == 2
    assert "Usage" in box.install("--help").stdout


def test_a_failed_upgrade_leaves_the_old_program_running(box: RoundsmanBox) -> None:
    box.systemctl("start", UNIT)
    before = box.state()
    for tool in ("uv", "python"):
        box.put(f"/srv/broken/{tool}", '#!/bin/sh\n[ "$1" = -c ] || { echo "disk full" >&2; exit 1; }\n', mode=0o755)
    broken = ("env", "PATH=/srv/broken:/usr/bin:/bin", "PYTHON=/srv/broken/python")
    failed = box.run(*broken, f"{SOURCE}/deploy/systemd/install.sh", check=False)
    assert failed.returncode == 1
    assert "cannot make virtual environments" in failed.stderr
    assert box.state() == before
    assert len(box.run("ls", "/opt/roundsman/releases").stdout.split()) == 1
    assert box.roundsman("--help").returncode == 0


# --- alerts ---


def test_an_alert_is_found_in_the_journal_by_its_fields(box: RoundsmanBox) -> None:
    box.set(MONITOR_OFTEN)
    box.systemctl("start", UNIT)
    told = import_sample_and_wait(box)
    (entry,) = box.entries(f"ALERT={min(told)}")
    assert entry["JOB"] == "conversation_monitor"
    assert entry["SYSLOG_IDENTIFIER"] == "roundsman"
    assert entry["PRIORITY"] == "4"
    assert entry["MESSAGE"].startswith("ALERT ")


def test_a_secret_from_a_credential_reaches_the_channel_and_never_the_journal(
    box: RoundsmanBox, httpserver: HTTPServer
) -> None:
    secret = "/services/T0FAKE/B0FAKE/n0b0dy-may-see-this"
    httpserver.expect_request(secret, method="POST").respond_with_data("ok")
    box.put("/etc/roundsman/credentials/slack_webhook_url", httpserver.url_for(secret) + "\n", mode=0o600)
    box.set(MONITOR_OFTEN, "LOG_LEVEL=debug")
    box.systemctl("start", UNIT)
    box.roundsman("conversations", "import", SAMPLE)
    box.eventually(lambda: len(httpserver.log) >= 2, "Slack is told", SOON)
    box.roundsman("alerts", "test", "slack")  # the command has the secret as well
    box.systemctl("stop", UNIT)
    assert "n0b0dy-may-see-this" not in str(box.journal())


def test_a_missing_credentials_folder_does_not_keep_it_from_starting(box: RoundsmanBox) -> None:
    box.run("rmdir", "/etc/roundsman/credentials")
    box.systemctl("start", UNIT)
    assert box.state()["ActiveState"] == "active"
    box.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/roundsman.conf")


# --- dying and coming back ---


def test_killed_it_is_restarted_and_tells_nothing_twice(box: RoundsmanBox) -> None:
    box.set(MONITOR_OFTEN)
    box.systemctl("start", UNIT)
    told = import_sample_and_wait(box)
    box.systemctl("kill", "--signal=KILL", UNIT)
    box.becomes(NRestarts="1", SubState="running")
    new_rounds(box)
    assert_told_once(box, told)


def new_rounds(box: RoundsmanBox) -> None:
    """Wait until the process that runs now has looked at everything twice."""
    since = iso(datetime.now(UTC))
    box.eventually(lambda: rounds_since(box, since) >= 2, "two rounds of the monitor", SOON)


def rounds_since(box: RoundsmanBox, since: str) -> int:
    history = box.json("jobs", "history", "conversation_monitor")
    return sum(row["outcome"] == "done" and row["started_at"] > since for row in history)


def test_stopped_dead_it_trips_the_watchdog_and_is_restarted(box: RoundsmanBox) -> None:
    box.drop_in("[Service]", "WatchdogSec=2", "RestartSec=100ms")
    box.systemctl("start", UNIT)
    box.systemctl("kill", "--signal=STOP", UNIT)
    box.becomes(NRestarts="1", SubState="running")
    said = box.messages()
    assert "Watchdog timeout" in said
    assert "most recent call first" in said  # where it hung


def test_it_lives_longer_than_its_watchdog_while_it_makes_progress(box: RoundsmanBox) -> None:
    box.drop_in("[Service]", "WatchdogSec=1")
    box.systemctl("start", UNIT)
    box.eventually(lambda: watched_for(box) > timedelta(seconds=3), "signs of life for three periods", SOON)
    assert box.state()["NRestarts"] == "0"


def watched_for(box: RoundsmanBox) -> timedelta:
    """From the start to the last sign of life."""
    times = box.show(UNIT, "WatchdogTimestampMonotonic", "ExecMainStartTimestampMonotonic")
    last, first = (int(times[name]) for name in ("WatchdogTimestampMonotonic", "ExecMainStartTimestampMonotonic"))
    return timedelta(microseconds=last - first)


def test_a_stop_lets_a_running_job_finish(box: RoundsmanBox) -> None:
    box.drop_in("[Service]", *SLOW_DAEMON)
    box.systemctl("start", UNIT)
    box.says("slow work begins")
    box.systemctl("stop", UNIT)
    state = box.state()
    assert (state["ActiveState"], state["Result"]) == ("inactive", "success")
    assert "slow work ends" in box.messages("JOB=slow")


def test_a_job_in_a_process_of_its_own_keeps_its_fence_inside_the_sandbox(box: RoundsmanBox) -> None:
    box.set("LOG_LEVEL=debug")
    box.drop_in("[Service]", *SLOW_DAEMON)
    box.systemctl("start", UNIT)
    box.eventually(lambda: box.entries("JOB=fenced", "OUTCOME=done"), "the isolated job has ended", SOON)
    assert "limit_mib=700" in box.messages("JOB=fenced")


def test_libraries_and_large_log_entries_work_inside_the_sandbox(box: RoundsmanBox) -> None:
    libraries = "psycopg, sqlite3, slack_sdk, requests, ssl, alembic.command, rich.console, pymongo"
    code = (
        f"import {libraries}; ssl.create_default_context(); from roundsman.journal import Journal; "
        "Journal().send(dict(MESSAGE=9_000_000 * chr(43), JOB=str(1)))"
    )
    box.drop_in("[Service]", f"ExecStartPre={PYTHON} -c '{code}'")
    box.systemctl("start", UNIT)
    assert "bytes more)" in box.messages("JOB=1")


def test_a_wrong_setting_is_told_and_not_tried_again(box: RoundsmanBox) -> None:
    box.set("LOG_LEVEL=loud")
    assert box.systemctl("start", UNIT, check=False).returncode != 0
    state = box.state()
    assert (state["ActiveState"], state["Result"], state["ExecMainStatus"]) == ("failed", "exit-code", "78")
    assert state["NRestarts"] == "0"
    assert "LOG_LEVEL" in box.messages()
    assert "Traceback" not in box.messages()


def test_a_reload_takes_over_good_settings_and_refuses_bad_ones(box: RoundsmanBox) -> None:
    box.systemctl("start", UNIT)
    process = box.main_pid()
    box.set("CONVERSATION_THRESHOLD_MINUTES=42")
    box.systemctl("reload", UNIT)
    box.says("CONVERSATION_THRESHOLD_MINUTES")
    box.set("CONVERSATION_THRESHOLD_MINUTES=soon")
    box.systemctl("reload", UNIT)
    box.says("Reload refused")
    box.becomes(ActiveState="active", SubState="running", MainPID=str(process))
    box.set("CONVERSATION_THRESHOLD_MINUTES=42")
    box.systemctl("reload", UNIT)
    box.says("no difference")  # what the bad file said was not taken over


def test_after_a_power_loss_it_comes_back_by_itself_and_tells_nothing_twice(box: RoundsmanBox) -> None:
    box.set(MONITOR_OFTEN)
    box.systemctl("start", UNIT)
    told = import_sample_and_wait(box)
    os.sync()  # the journal's own files; the store syncs by itself
    box.cut_power()
    box.boot()
    box.becomes(ActiveState="active", SubState="running")
    new_rounds(box)
    assert_told_once(box, told)


def test_after_a_power_loss_a_run_goes_on_behind_its_last_committed_step(box: RoundsmanBox) -> None:
    box.set("JOB_QUEUE_POLLER_SCHEDULE=every 1s")
    box.systemctl("start", UNIT)
    order = '{"seconds": 1, "note": "two words"}'
    number = json.loads(
        box.run("roundsman", "runs", "submit", "three_steps", "--input", "-", "--json", stdin=order).stdout
    )["id"]
    box.eventually(lambda: box.json("runs", "status", str(number))["steps"], "the first step is committed", SOON)
    committed = box.json("runs", "status", str(number))["steps"]
    box.cut_power()
    box.boot()
    # The boot is the host's, so the dead process may look like one of another machine: then its lease must run out.
    box.eventually(
        lambda: box.json("runs", "status", str(number))["status"] == "completed", "the run is done", LEASE + SOON
    )
    run = box.json("runs", "status", str(number))
    assert run["steps"][: len(committed)] == committed
    assert [step["name"] for step in run["steps"]] == ["fetch", "work", "wrap_up"]
    assert run["data"]["words"] == 2


def test_a_reboot_stops_it_in_order(box: RoundsmanBox) -> None:
    box.systemctl("start", UNIT)
    box.power_off()
    box.boot()
    box.becomes(ActiveState="active", SubState="running")
    assert "Stopped" in box.messages()
