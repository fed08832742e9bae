"""What is judged of hand-made exports, worked out by hand: each theme of `tests/golden` has its arithmetic beside it.

THEME.json is an export, THEME.md says why, and THEME.expected.json is all that `conversations list --at T --json`
prints, for several T. THEME.watermarks.json, where there is one, tells how fresh its pages were known to be, and when.
Nothing of it was ever printed by the program first.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from chats import Desk
from conversation_shell import ConversationShell
from golden_files import GOLDEN, POLICIES, bring_up_to, golden_book, watermarks
from mongo_server import MongoPlace
from sqlalchemy.engine import URL

from roundsman.clock import ManualClock
from roundsman.conversations.roster import Roster
from roundsman.conversations.source import StoreSource
from roundsman.repositories.engine import Store, StoreOptions

ROOT = Path(__file__).parents[2]
THEMES = sorted(path.name.removesuffix(".expected.json") for path in GOLDEN.glob("*.expected.json"))


def expected(theme: str) -> dict[str, list[dict[str, Any]]]:
    """What is to be printed, by moment."""
    found: dict[str, list[dict[str, Any]]] = json.loads((GOLDEN / f"{theme}.expected.json").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Shop:
    """The command line with the golden policies, and how an export gets to where it reads."""

    shell: ConversationShell
    take: Callable[[Path], None]
    store: URL


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mongo", marks=pytest.mark.mongo),
    ]
)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """Fresh, over a store of each kind with imports, and over a MongoDB in which the documents lie."""
    settings = {"POLICIES_FILE": str(POLICIES)}
    url = sqlite_url(tmp_path)
    if request.param == "mongo":
        place: MongoPlace = request.getfixturevalue("mongo")
        shell = ConversationShell(tmp_path, **settings, MONGO_URL=place.url)
        return Shop(shell, lambda file: place.fill(json_util.loads(file.read_text(encoding="utf-8"))), url)
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        settings["DATABASE_URL"] = url.render_as_string(hide_password=False)
    shell = ConversationShell(tmp_path, **settings)
    return Shop(shell, lambda file: _import(shell, file), url)


def sqlite_url(folder: Path) -> URL:
    """Where a shell keeps its store."""
    return URL.create("sqlite", database=str(folder / "state" / "roundsman.db"))


def know(url: URL, theme: str, now: datetime) -> None:
    """The store, which a command has made, knows how fresh each page is at a moment."""
    with closing(Store(StoreOptions(url))) as store:
        bring_up_to(store, watermarks(theme), now)


def _import(shell: ConversationShell, file: Path) -> None:
    done = shell.run("import", str(file))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("theme", THEMES)
def test_each_theme_is_judged_as_by_hand(shop: Shop, theme: str) -> None:
    shop.take(GOLDEN / f"{theme}.json")
    shop.shell.run("list")  # makes the store, where that was no import
    for moment, rows in expected(theme).items():
        know(shop.store, theme, datetime.fromisoformat(moment))
        assert shop.shell.json("list", "--at", moment) == rows, moment


@pytest.mark.parametrize("theme", THEMES)
def test_neither_order_nor_repetition_matters(tmp_path: Path, theme: str) -> None:
    shell = ConversationShell(tmp_path, POLICIES_FILE=str(POLICIES))
    documents = json.loads((GOLDEN / f"{theme}.json").read_text(encoding="utf-8"))
    for name in reversed(documents):  # messages come before their conversations and pages
        shell.take({name: documents[name][::-1]})
    shell.take(documents)
    *_, (moment, rows) = expected(theme).items()
    know(sqlite_url(tmp_path), theme, datetime.fromisoformat(moment))
    assert shell.json("list", "--at", moment) == rows
    assert shell.json("due", "--at", moment) == [row for row in rows if row["verdict"] == "late"]


@pytest.mark.parametrize("theme", THEMES)
def test_the_watch_list_finds_those_who_are_late_without_reading_all(
    sqlite_store: Store, tmp_path: Path, theme: str
) -> None:
    moments = {datetime.fromisoformat(moment): rows for moment, rows in expected(theme).items()}
    clock = ManualClock(min(moments))
    desk = Desk(sqlite_store, clock, tmp_path)
    desk.book = golden_book()
    desk.take((GOLDEN / f"{theme}.json").read_text(encoding="utf-8"))
    for moment, rows in moments.items():
        bring_up_to(sqlite_store, watermarks(theme), moment)
        with sqlite_store.read() as connection:
            found = Roster(desk.book, StoreSource()).due_now(connection, moment)
        late = [row for row in rows if row["verdict"] == "late"]
        assert [(each.verdict.conversation_id, each.verdict.level) for each in found] == [
            (row["conversation_id"], row["level"]) for row in late
        ], moment


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_of_a_theme_is_set_aside_and_each_has_its_arithmetic(tmp_path: Path, theme: str) -> None:
    summary = ConversationShell(tmp_path).json("import", str(GOLDEN / f"{theme}.json"))
    assert summary["set_aside"] == []
    assert (GOLDEN / f"{theme}.md").is_file()
    assert len(expected(theme)) >= 2


def test_the_installed_command_prints_the_same(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "LC_ALL", "COVERAGE_FILE")
    }
    environment |= {"ROUNDSMAN_STATE_DIR": str(tmp_path / "state"), "POLICIES_FILE": str(POLICIES)}

    def roundsman(*arguments: str) -> str:
        command = [sys.executable, str(ROOT / "daemon.py"), "conversations", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        return done.stdout

    roundsman("import", str(GOLDEN / "lunch.json"))
    for moment, rows in expected("lunch").items():
        assert json.loads(roundsman("list", "--at", moment, "--json")) == rows
