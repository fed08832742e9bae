"""The sample data: reproducible, believable, and with every oddity that real exports have."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chats import Desk, policies

from roundsman.clock import ManualClock
from roundsman.conversations.exclusions import COMMENT_TYPES
from roundsman.repositories.engine import Store
from roundsman.repositories.watch_list import AnsweringClock

SAMPLES = Path(__file__).parents[2] / "samples"
COMMITTED = SAMPLES / "folkform-export.json"
FIXED = "2026-03-03T04:00:00Z"


def generate(*arguments: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, str(SAMPLES / "generate.py"), *arguments],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=60, env=environ or None,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def sample() -> dict[str, list[dict[str, Any]]]:
    content: dict[str, list[dict[str, Any]]] = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return content


def test_the_committed_export_is_what_the_generator_makes(tmp_path: Path) -> None:
    assert generate("--at", FIXED) == COMMITTED.read_text(encoding="utf-8")
    generate("--at", FIXED, "--seed", "5", "--out", str(tmp_path / "other.json"))
    assert (tmp_path / "other.json").read_text(encoding="utf-8") != COMMITTED.read_text(encoding="utf-8")


def test_it_has_pages_of_every_network_and_one_that_is_not_synced(sample: Any) -> None:
    pages = sample["fb_pages"]
    prefixes = {re.match("[a-z]*", page["pageId"]).group() for page in pages}  # type: ignore[union-attr]  # may be ""
    assert prefixes == {"", "wa", "zl", "igo"}
    assert [page["isSync"] for page in pages].count(False) == 1
    assert all(page["accessToken"] and page["pageAccessToken"] for page in pages)


def test_it_has_conversations_of_every_type_and_tags_of_every_sort(sample: Any) -> None:
    inner = [each["panCakeData"] for each in sample["fb_conversations"]]
    assert {each["type"] for each in inner} == {"INBOX", *COMMENT_TYPES}
    tags = [each["tags"] for each in inner]
    assert None in tags
    assert any(isinstance(each, list) and None in each for each in tags)
    texts = {tag["text"] for each in tags if isinstance(each, list) for tag in each if tag}
    assert {"spam", "Khách block", "kha\u0301ch block", "KHACH-BLOCK", "NV9"} <= texts
    assert any(each.get("current_assign_users") for each in inner)
    assert 110 <= len(inner) <= 130


def test_it_has_messages_of_every_sender(sample: Any) -> None:
    data = [each["messageData"] for each in sample["fb_message_items"]]
    authors = [each["from"] for each in data]
    assert any(each.get("is_automated") for each in authors)
    assert any(each.get("ai_generated") for each in authors)
    assert any("[Botcake Reply]" in each.get("message", "") for each in data)
    assert any(each.get("is_removed") for each in data)
    assert any(each.get("is_hidden") for each in data)
    assert any({"type": "system_message"} in each.get("attachments", []) for each in data)
    assert any(each.get("uid") == 1 for each in authors)  # a number where others have a text
    assert any(each.get("email", "").endswith("@facebook.com") for each in authors)
    assert any(char in each.get("message", "") for each in data for char in "ạảấầẩẫậ")


def test_it_has_times_of_every_form(sample: Any) -> None:
    inside = [str(each["messageData"]["inserted_at"]) for each in sample["fb_message_items"]]
    outside = [each.get("insertedAt") for each in sample["fb_message_items"]]
    assert any(re.fullmatch(r"\S+T\d\d:\d\d:\d\d\.\d{6}", each) for each in inside)
    assert any(re.fullmatch(r"\S+T\d\d:\d\d:\d\d", each) for each in inside)
    assert any(each.endswith("Z") for each in inside)
    assert "None" in inside
    assert any(isinstance(each, int) and each > 1e11 for each in outside)
    assert any(isinstance(each, int) and each < 1e11 for each in outside)
    assert any(isinstance(each, dict) and "$date" in each for each in outside)
    assert any(isinstance(each, dict) and "$numberLong" in each for each in outside)


def test_its_verdicts(sqlite_store: Store, clock: ManualClock, tmp_path: Path) -> None:
    desk = Desk(sqlite_store, clock, tmp_path)
    summary = desk.take(COMMITTED.read_text(encoding="utf-8"))
    assert sorted(each.field for each in summary.set_aside) == ["messageData.inserted_at", "panCakeData.tags"]
    assert summary.conversations_made == 1
    verdicts = list(desk.verdicts().values())
    assert {name: verdicts.count(name) for name in sorted(set(verdicts))} == {
        "answered": 82,
        "excluded": 14,
        "fine": 10,
        "late": 14,
    }
    customer = desk.verdicts(policies(AnsweringClock.CUSTOMER))
    assert list(customer.values()).count("late") == 11
    again = desk.take(COMMITTED.read_text(encoding="utf-8"))
    assert all((counts.new, counts.changed) == (0, 0) for counts in again.collections.values())


def test_it_is_relative_to_its_time(sqlite_store: Store, tmp_path: Path) -> None:
    later = datetime(2031, 7, 1, 22, 30, tzinfo=UTC)
    desk = Desk(sqlite_store, ManualClock(later + timedelta(seconds=20)), tmp_path)
    desk.take(generate("--at", later.isoformat()))
    assert list(desk.verdicts().values()).count("late") == 14


def test_it_is_loaded_into_an_empty_store_only(tmp_path: Path) -> None:
    environ = {**os.environ, "ROUNDSMAN_STATE_DIR": str(tmp_path / "state")}
    first = generate("--into-empty-store", **environ)
    assert "14 are late, 2 documents were set aside" in first
    assert first.count("\n") == 1
    second = generate("--into-empty-store", **environ)
    assert "holds conversations already" in second
    assert second.count("\n") == 1
