"""The sync under `kill -9`, as a process of its own against a server: it goes on, and in the end nothing is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_pancake import FakePancake

from roundsman.clock import SystemClock
from roundsman.repositories.engine import Store, StoreOptions, parse_url
from roundsman.repositories.page_syncs import PageSyncRepository

PAGE = "100"
CONVERSATIONS = 80
PATIENCE_S = 60


def start(fake: FakePancake, folder: Path) -> "subprocess.Popen[bytes]":
    token = fake.pages[PAGE].token
    environ = os.environ | {
        "ROUNDSMAN_STATE_DIR": str(folder),
        "PANCAKE_BASE_URL": fake.url,
        "PANCAKE_PAGE_ACCESS_TOKENS": f"{PAGE}={token}",
        "PANCAKE_SYNC_DAYS": "0.1",
    }
    program = [sys.executable, str(Path(__file__).parents[2] / "daemon.py"), "jobs", "run", "data_sync"]
    return subprocess.Popen(program, env=environ, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def message_requests(fake: FakePancake) -> int:
    return sum(path.endswith("/messages") for path, _ in fake.requests)


@pytest.mark.slow
def test_killed_again_and_again_it_brings_everything_in(tmp_path: Path) -> None:
    with FakePancake(SystemClock()).running() as fake:
        fake.add_page()
        fake.enforces_rate = False  # each process has a pace of its own, and they follow each other closely
        for number in range(CONVERSATIONS):
            fake.say(PAGE, str(number), f"m{number}")
        for _ in range(3):
            process = start(fake, tmp_path)
            assert fake.wait_for_requests(message_requests(fake) + 24, "/messages", PATIENCE_S)
            process.kill()
            process.communicate()
        last = start(fake, tmp_path)
        said = last.communicate(timeout=PATIENCE_S)[0].decode()
        assert last.returncode == 0, said
        assert fake.pages[PAGE].token not in said
        asked = message_requests(fake)
        store = Store(StoreOptions(parse_url(f"sqlite:///{tmp_path / 'roundsman.db'}")))
        with store.read() as connection:
            stored = {row[0] for row in connection.exec_driver_sql("SELECT message_id FROM messages")}
            state = PageSyncRepository().find(connection, PAGE)
        store.close()
    assert stored == {f"m{number}" for number in range(CONVERSATIONS)}
    assert state is not None
    assert state.fresh_at is not None
    assert asked <= CONVERSATIONS + 3 * 24  # what was committed was not asked for again
