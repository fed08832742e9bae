"""Pancake in the whole program: built from the settings, run by a command, replaced at a reload."""

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from fake_pancake import USER_TOKEN, FakePancake, Misdeed
from pancake_bench import PAGE

from config import load
from jobs import JOBS
from roundsman.app.composition import App
from roundsman.app.services import Heartbeat
from roundsman.cli import main
from roundsman.clock import SystemClock
from roundsman.errors import ConfigurationError
from roundsman.repositories.daemons import DaemonRepository
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.scheduling.job import JobContext, StopToken
from roundsman.workflows import WORKFLOWS

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fake() -> Iterator[FakePancake]:
    with FakePancake(SystemClock()).running() as fake:
        fake.add_page()
        fake.say(PAGE, "1", "m1")
        yield fake


def environment(fake: FakePancake, folder: Path, **more: str) -> dict[str, str]:
    tokens = ",".join(f"{page.page_id}={page.token}" for page in fake.pages.values())
    return {
        "ROUNDSMAN_STATE_DIR": str(folder / "state"),
        "PANCAKE_BASE_URL": fake.url,
        "PANCAKE_PAGE_ACCESS_TOKENS": tokens,
        "PANCAKE_SYNC_DAYS": "0.1",
        **more,
    }


def command(
    *arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture, environ: dict[str, str]
) -> tuple[int, str]:
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as end:
        for name, value in environ.items():
            patch.setenv(name, value)
        main(JOBS, list(arguments))
    assert isinstance(end.value.code, int)
    captured = capsys.readouterr()
    return end.value.code, captured.out + captured.err


def test_a_command_syncs_and_shows_what_came_in(
    fake: FakePancake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    environ = environment(fake, tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out = command("jobs", "run", "data_sync", monkeypatch=monkeypatch, capsys=capsys, environ=environ)
    assert code == 0
    assert "conversations=1" in out
    assert fake.pages[PAGE].token not in out
    code, out = command("conversations", "list", "--json", monkeypatch=monkeypatch, capsys=capsys, environ=environ)
    (entry,) = json.loads(out)
    assert (entry["conversation_id"], entry["verdict"]) == (f"{PAGE}_1", "fine")
    code, out = command("check-config", monkeypatch=monkeypatch, capsys=capsys, environ=environ)
    assert code == 0
    assert "secret" not in out


def test_without_tokens_the_job_cannot_be_built(tmp_path: Path) -> None:
    settings = load({"ROUNDSMAN_STATE_DIR": str(tmp_path)}, tmp_path)
    with closing(App(settings, JOBS, WORKFLOWS, SystemClock())) as app:
        assert "data_sync" not in app.works()
        with pytest.raises(ConfigurationError, match="PANCAKE_PAGE_ACCESS_TOKENS: is not set"):
            _ = app.conversations.pancake


def test_a_reload_takes_other_tokens_over_and_strikes_pages_without_off(fake: FakePancake, tmp_path: Path) -> None:
    fake.add_page("200")
    before = load(environment(fake, tmp_path), tmp_path)
    with closing(App(before, JOBS, WORKFLOWS, SystemClock())) as app:
        syncs = PageSyncRepository()
        now = app.clock.now()
        with app.store.write() as connection:
            for page_id in (PAGE, "200"):
                syncs.advance(connection, page_id, "pancake", fresh_at=now, checkpoint=None)
                syncs.failed(connection, page_id, "pancake", "No.", retry_at=now, now=now)
            syncs.advance(connection, "900", "mongo", fresh_at=now, checkpoint=None)
        old = app.conversations.pancake
        app.reconfigure(before)
        assert app.conversations.pancake is old
        fake.delete_page("200")
        app.reconfigure(load(environment(fake, tmp_path), tmp_path))
        app.conversations.settle_pages()
        assert app.conversations.pancake is not old
        _look(app)
        assert _pages(app) == {PAGE: True, "200": False}  # and one of a MongoDB that is read no more is forgotten
        app.reconfigure(load({"ROUNDSMAN_STATE_DIR": str(tmp_path / "state")}, tmp_path))
        app.conversations.settle_pages()
        _look(app)
        assert _pages(app) == {PAGE: False, "200": False}
        assert "data_sync" not in app.works()


def test_which_pages_are_set_up_is_known_by_the_settings_or_by_the_list_of_the_user(
    fake: FakePancake, tmp_path: Path
) -> None:
    named, nothing = environment(fake, tmp_path), {"ROUNDSMAN_STATE_DIR": str(tmp_path / "state")}
    by_list = {**named, "PANCAKE_ACCESS_TOKEN": USER_TOKEN}
    del by_list["PANCAKE_PAGE_ACCESS_TOKENS"]
    with closing(App(load(by_list, tmp_path), JOBS, WORKFLOWS, SystemClock())) as app:
        parts = app.conversations
        assert parts.pages_set_up() is None
        parts.pancake.directory.refresh(parts.pancake.errand(StopToken(), 10))
        assert parts.pages_set_up() == frozenset({PAGE})
        app.reconfigure(load(named, tmp_path))
        assert parts.pages_set_up() == frozenset({PAGE})
        app.reconfigure(load(nothing, tmp_path))
        assert parts.pages_set_up() == frozenset()
        assert parts.pages_before == frozenset({PAGE}), "somebody has taken it out"
        fake.delete_page(PAGE)
        app.reconfigure(load(by_list, tmp_path))
        parts.pancake.directory.refresh(parts.pancake.errand(StopToken(), 10))
        assert parts.pages_set_up() is None, "an empty list is rather a fault"


def test_a_daemon_tells_the_others_its_pages(fake: FakePancake, tmp_path: Path) -> None:
    with closing(App(load(environment(fake, tmp_path), tmp_path), JOBS, WORKFLOWS, SystemClock())) as app:
        for pages in (app.conversations.pages_set_up, lambda: None, lambda: frozenset()):
            beat = Heartbeat(app.store, app.clock, app.owner, lambda: "", None, lambda: None, pages)
            assert beat.ill() is None
            with app.store.read() as connection:
                (record,) = DaemonRepository().all(connection)
            assert record.pages == pages()


def test_a_reload_that_names_a_mongodb_changes_nothing_before_a_restart(fake: FakePancake, tmp_path: Path) -> None:
    mongo = {"MONGO_URL": "mongodb://127.0.0.1:1/folkform?serverSelectionTimeoutMS=100"}
    before = environment(fake, tmp_path)
    with closing(App(load(before, tmp_path), JOBS, WORKFLOWS, SystemClock())) as app:
        source, jobs = app.conversations.source, app.works().keys()
        app.reconfigure(load(before | mongo, tmp_path))
        assert (app.conversations.source, app.works().keys()) == (source, jobs)
        assert "data_sync" in jobs
    with closing(App(load(before | mongo, tmp_path), JOBS, WORKFLOWS, SystemClock())) as app:
        source, jobs = app.conversations.source, app.works().keys()
        app.reconfigure(load(before, tmp_path))
        assert (app.conversations.source, app.works().keys()) == (source, jobs)
        assert "mongo_sync" in jobs


def _look(app: App) -> None:
    """A round of the monitor."""
    _, work = app.works()["conversation_monitor"]
    log = logging.LoggerAdapter(logging.getLogger("test"), {})
    work(JobContext(app.clock, log, StopToken(), app.clock.now()))


def _pages(app: App) -> dict[str, bool]:
    """The pages with a live source, and whether they are in the settings. All are asked for at once."""
    with app.store.read() as connection:
        found: dict[str, PageSync] = PageSyncRepository().all(connection)
    assert {each.retry_at for each in found.values()} <= {None}
    return {page_id: each.is_set_up for page_id, each in found.items()}


# --- our numbers beside Pancake's ---


def test_the_answers_of_a_day_are_compared_with_pancakes_own_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def staff(name: str) -> dict[str, str]:
        return {"id": PAGE, "uid": f"u-{name}", "admin_name": name}

    clock = SystemClock()
    with FakePancake(clock).running() as fake:
        shop = fake.add_page()
        now = clock.now().replace(microsecond=0)
        asked_at = max(now - timedelta(minutes=30), now.replace(hour=0, minute=0, second=0))  # all on one day
        fake.say(PAGE, "1", "m1", at=asked_at)
        fake.say(PAGE, "1", "m2", staff("Hoà"), at=asked_at + timedelta(minutes=10))
        fake.say(PAGE, "1", "m3", staff("Hoà"), at=asked_at + timedelta(minutes=11))
        fake.say(PAGE, "2", "m4", staff("Minh"), at=asked_at)
        shop.statistics = {
            "u-1": {"user_name": "HOÀ", "inbox_count": 2, "average_response_time": 590_000},
            "u-2": {"user_name": "Lan", "inbox_count": 3, "average_response_time": 0},
            "u-3": {"user_name": "Nobody", "inbox_count": 0, "average_response_time": 0},
        }
        environ = environment(fake, tmp_path, ROUNDSMAN_TIME_ZONE="UTC")
        day = asked_at.date().isoformat()
        monkeypatch.chdir(tmp_path)

        def call(*arguments: str) -> tuple[int, str]:
            return command(*arguments, monkeypatch=monkeypatch, capsys=capsys, environ=environ)

        assert call("jobs", "run", "data_sync")[0] == 0
        code, out = call("conversations", "compare", PAGE, "--day", day, "--json")
        assert code == 0
        found = json.loads(out)
        assert fake.requests[-1][1]["date_range"] == f"{asked_at:%d/%m/%Y} 00:00:00 - {asked_at:%d/%m/%Y} 23:59:59"
        assert found == {
            "page_id": PAGE,
            "day": day,
            "people": [
                {"name": "Lan", "messages": None, "pancake_messages": 3, "average": None, "pancake_average": None},
                {"name": "Hoà", "messages": 2, "pancake_messages": 2, "average": 600.0, "pancake_average": 590.0},
                {"name": "Minh", "messages": 1, "pancake_messages": None, "average": None, "pancake_average": None},
            ],
        }
        code, out = call("conversations", "compare", PAGE, "--day", day)
        assert [line.split()[:4] for line in out.splitlines()] == [
            ["STAFF", "MESSAGES", "PANCAKE", "GAP"],
            ["Lan", "3", "-3"],
            ["Hoà", "2", "2", "+0"],
            ["Minh", "1", "+1"],
            ["The", "store", "holds", "2"],
        ]
        assert call("conversations", "compare", "999")[1] == (
            "roundsman: There is no token for page '999'; there are tokens for 100.\n"
        )
        assert call("conversations", "compare", PAGE, "--day", "today") == (
            2, "roundsman: --day 'today' is no date; write it like 2026-03-03.\n",
        )  # fmt: skip
        fake.misbehave(Misdeed.TOKEN, 1)
        code, out = call("conversations", "compare", PAGE)
        assert (code, out.count("\n"), shop.token in out) == (1, 1, False)


def test_without_pancake_there_is_nothing_to_compare_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"ROUNDSMAN_STATE_DIR": str(tmp_path / "state")}
    code, out = command(
        "conversations", "compare", PAGE, monkeypatch=monkeypatch, capsys=capsys, environ=environ
    )  # fmt: skip
    assert (code, out) == (
        2,
        "roundsman: Pancake is not set up, so there is nothing to compare with; set PANCAKE_PAGE_ACCESS_TOKENS.\n",
    )
