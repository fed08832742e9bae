"""What `roundsman status` says of the channels."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alert_samples import unreplied
from sqlalchemy.engine import URL

from roundsman.alerts.book import AlertBook
from roundsman.cli import main
from roundsman.clock import SystemClock
from roundsman.conversations.policies.book import PolicyBook
from roundsman.errors import EXIT_DONE
from roundsman.repositories.channels import ChannelRepository
from roundsman.repositories.daemons import DaemonRecord, DaemonRepository
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.held import HeldRepository
from roundsman.repositories.notifications import HeldBy, Hold
from roundsman.repositories.schema import ensure_schema
from roundsman.repositories.watch_list import AnsweringClock

Call = Callable[..., str]


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main((), ("status", *arguments))
        assert end.value.code == EXIT_DONE
        return capsys.readouterr().out

    return run


def test_a_channel_that_was_taken_away_is_not_called_on(status: Call, tmp_path: Path) -> None:
    clock = SystemClock()
    (tmp_path / "var").mkdir()
    url = URL.create("sqlite", database=str(tmp_path / "var" / "roundsman.db"))
    with closing(Store(StoreOptions(url))) as store:
        ensure_schema(store, backups=tmp_path, clock=clock)
        with AlertBook(store, clock, ["console", "slack"], lambda: None).transaction("monitor") as desk:
            desk.fire(unreplied("c-1", clock.now()))
        with store.write() as connection:
            ChannelRepository().register(connection, {"console": "x", "slack": "x", "telegram": "x"})
            ChannelRepository().switch_off(connection, "console", "it said no", clock.now() - timedelta(minutes=3))
    lines = [line for line in status().splitlines() if line.startswith("Channel")]
    assert lines[0].startswith("Channel console: OFF for 3 min ")
    assert lines[0].endswith(" s, 1 waiting (it said no)")
    assert lines[1:] == ["Channel slack: not set up any more, 1 waiting"]
    found = {entry["channel"]: entry["set_up"] for entry in json.loads(status("--json"))["channels"]}
    assert found == {"console": True, "slack": False}


def test_what_is_held_is_counted_by_what_holds_it(status: Call, tmp_path: Path) -> None:
    clock = SystemClock()
    (tmp_path / "var").mkdir()
    url = URL.create("sqlite", database=str(tmp_path / "var" / "roundsman.db"))
    now = clock.now()
    with closing(Store(StoreOptions(url))) as store:
        ensure_schema(store, backups=tmp_path, clock=clock)
        with AlertBook(store, clock, ["console"], lambda: None).transaction("monitor") as desk:
            desk.fire_all([unreplied(f"c-{number}", now) for number in range(4)])
        with store.write() as connection:
            ChannelRepository().register(connection, {"console": "x"})
            for number, by in enumerate((HeldBy.SILENCE, HeldBy.QUIET_HOURS, HeldBy.SILENCE), start=1):
                HeldRepository().hold(connection, number, Hold(by, now + timedelta(hours=1), "for a test"))
    lines = [line for line in status().splitlines() if line.startswith("Channel")]
    assert lines == ["Channel console: on, 1 waiting, 3 held (1 quiet hours, 2 silence)"]
    (channel,) = json.loads(status("--json"))["channels"]
    assert (channel["waiting"], channel["held"]) == (1, {"quiet_hours": 1, "silence": 2})


def test_a_daemon_that_judges_by_other_policies_is_named(status: Call, tmp_path: Path) -> None:
    clock = SystemClock()
    (tmp_path / "var").mkdir()
    now = clock.now()
    mine = PolicyBook.of_settings(AnsweringClock.HUMAN, timedelta(minutes=15), comments=False).version
    url = URL.create("sqlite", database=str(tmp_path / "var" / "roundsman.db"))
    with closing(Store(StoreOptions(url))) as store:
        ensure_schema(store, backups=tmp_path, clock=clock)
        with store.write() as connection:
            for number, (version, heard_at) in enumerate(
                [("other1", now), (mine, now), (None, now), ("other2", now - timedelta(hours=1))]
            ):
                record = DaemonRecord(f"box/x/{number}/1", "box", number, "0.1.0", now, heard_at, "3 jobs")
                DaemonRepository().beat(connection, replace(record, policies=version))
    assert [line for line in status().splitlines() if "polic" in line] == [
        "The daemon on box (process 0) judges conversations by other policies than this command (other1, here "
        f"{mine}), so alerts may be opened and resolved in turn: give both the same POLICIES_FILE and CONVERSATION_ "
        "settings, then reload or restart them."
    ]
    found = json.loads(status("--json"))
    assert sorted(str(daemon["policies"]) for daemon in found["daemons"]) == sorted(["None", mine, "other1", "other2"])
    assert len(found["other_policies"]) == 1
