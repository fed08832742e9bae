"""Every store has a name of its own, and keys of its own in Redis whatever the queue's name."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from redis_server import RedisServer

from config import load
from jobs.queue_poller import QueuePoller
from roundsman.app.composition import App
from roundsman.clock import SystemClock
from roundsman.repositories.engine import Store
from roundsman.repositories.identity import identity_of
from roundsman.runs.desk import Order
from roundsman.workflows import WORKFLOWS


def test_a_name_is_given_once(store: Store) -> None:
    with ThreadPoolExecutor(4) as threads:
        names = set(threads.map(lambda _: identity_of(store), range(8)))
    assert names == {identity_of(store)}
    (name,) = names
    assert len(bytes.fromhex(name)) == 6


@pytest.fixture
def apps(tmp_path: Path, redis_server: RedisServer) -> list[App]:
    """Two installations that differ in nothing but their stores."""
    made = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        facts = {
            "ROUNDSMAN_STATE_DIR": str(folder),
            "QUEUE_TYPE": "redis",
            "REDIS_URL": redis_server.url,
        }
        made.append(App(load(facts, folder), [QueuePoller], WORKFLOWS, SystemClock()))
    return made


def test_two_installations_with_one_queue_name_on_one_redis_do_not_see_each_others_messages(
    apps: list[App], redis_server: RedisServer
) -> None:
    one, other = apps
    roots = [f"{{roundsman-{identity_of(app.store)}}}:*" for app in apps]
    with closing(one), closing(other):
        assert one.runs.desk.submit(Order("noop", {})).unsent is None
        assert other.runs.queue.depth() == {}
        assert other.runs.queue.dequeue({"noop": 5}, 5) == []
        assert other.runs.desk.submit(Order("noop", {})).unsent is None
        for app in apps:
            (message,) = app.runs.queue.dequeue({"noop": 5}, 5)
            assert app.runs.queue.ack([message]) == []
    with redis_server.client() as client:
        keys = [list(client.scan_iter(root, count=1_000)) for root in roots]
        assert all(keys)
        client.unlink(*(key for some in keys for key in some))
