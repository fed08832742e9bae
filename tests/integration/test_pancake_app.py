"""Pancake in the whole program: built from the settings, run by a command, replaced at a reload."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fake_pancake import FakePancake
from pancake_bench import PAGE

from config import load
from jobs import JOBS
from roundsman.app.composition import App
from roundsman.cli import main
from roundsman.clock import SystemClock
from roundsman.errors import ConfigurationError
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
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


def test_a_reload_takes_other_tokens_over_and_forgets_pages_without(fake: FakePancake, tmp_path: Path) -> None:
    fake.add_page("200")
    before = load(environment(fake, tmp_path), tmp_path)
    with closing(App(before, JOBS, WORKFLOWS, SystemClock())) as app:
        syncs = PageSyncRepository()
        now = app.clock.now()
        with app.store.write() as connection:
            for page_id in (PAGE, "200"):
                syncs.failed(connection, page_id, "pancake", "No.", retry_at=now, now=now)
            syncs.advance(connection, "900", "mongo", fresh_at=now, checkpoint=None)
        old = app.conversations.pancake
        app.reconfigure(before)
        assert app.conversations.pancake is old
        fake.delete_page("200")
        app.reconfigure(load(environment(fake, tmp_path), tmp_path))
        app.conversations.settle_pages()
        assert app.conversations.pancake is not old
        assert _pages(app) == {PAGE: None}  # nor can one of a MongoDB that is read no more grow stale
        app.reconfigure(load({"ROUNDSMAN_STATE_DIR": str(tmp_path / "state")}, tmp_path))
        app.conversations.settle_pages()
        assert _pages(app) == {}
        assert "data_sync" not in app.works()


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


def _pages(app: App) -> dict[str, object]:
    """The pages with a live source, and until when they are left alone."""
    with app.store.read() as connection:
        found: dict[str, PageSync] = PageSyncRepository().all(connection)
    return {page_id: each.retry_at for page_id, each in found.items()}
