"""What is Redis' own about the queue in Redis: round trips, who holds what, and the ways in which Redis fails."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from secrets import token_hex

import pytest
from queue_places import ME
from queue_places_redis import RedisQueues
from queue_samples import KIND, OTHER_KIND, PATIENCE, draft, drafts, numbers, take, take_all
from redis_server import RedisServer

from roundsman.clock import ManualClock, SystemClock
from roundsman.message import KindLimits
from roundsman.owner import dead_owners
from roundsman.queues.base import QueueOptions
from roundsman.queues.redis import RedisQueue
from roundsman.queues.redis_connection import RedisConnection

_CHILD = """
import sys
from roundsman.clock import SystemClock
from roundsman.owner import Owner
from roundsman.queues.base import QueueOptions
from roundsman.queues.redis import RedisQueue
url, name = sys.stdin.readline().split()
owner = str(Owner.this_process())
received = RedisQueue(url, name, QueueOptions(owner), SystemClock()).dequeue({"device_test": 3}, 3)
print(owner, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def shared(redis_server: RedisServer, clock: ManualClock) -> Iterator[RedisQueues]:
    with ExitStack() as stack:
        yield RedisQueues(redis_server, clock, stack)


@pytest.fixture
def queue(own_redis: RedisServer) -> Iterator[RedisQueue]:
    with closing(queue_at(own_redis.url)) as made:
        yield made


def queue_at(url: str) -> RedisQueue:
    return RedisQueue(url, "roundsman", QueueOptions(ME), SystemClock())


# --- cost ---


def round_trips(server: RedisServer, act: Callable[[], object]) -> int:
    with server.client() as client:
        client.config_resetstat()
        act()
        stats = client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


def test_each_batch_is_one_round_trip(own_redis: RedisServer, queue: RedisQueue) -> None:
    queue.enqueue(drafts(range(3)))  # a script's first use sends it
    queue.extend(take(queue))
    queue.release([ME])
    queue.nack(take(queue))
    queue.ack(take(queue))
    assert round_trips(own_redis, lambda: queue.enqueue(drafts(range(200)))) == 1
    messages = []
    assert round_trips(own_redis, lambda: messages.extend(queue.dequeue({KIND: 200, OTHER_KIND: 200}, 200))) == 1
    assert len(messages) == 200
    assert round_trips(own_redis, lambda: queue.extend(messages)) == 1
    assert round_trips(own_redis, lambda: queue.nack(messages)) == 1
    messages = take(queue, 200)
    assert round_trips(own_redis, lambda: queue.ack(messages)) == 1


def test_whoever_waits_asks_nothing(own_redis: RedisServer, queue: RedisQueue) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(queue.dequeue, {KIND: 1}, 1, PATIENCE)
        with own_redis.client() as client:
            while client.info("clients")["blocked_clients"] == 0:
                assert not waiting.done()
            before = client.info("stats")["total_commands_processed"]
            threading.Event().wait(0.5)
            assert client.info("stats")["total_commands_processed"] - before == 1, "the question itself"
        queue.wake()
        assert waiting.result(30) == []


def test_what_is_done_with_leaves_nothing_behind(own_redis: RedisServer, queue: RedisQueue) -> None:
    for round_ in range(3):
        queue.enqueue([*drafts(range(50)), *drafts(range(50), group="g"), draft(priority=20, dedup=f"key {round_}")])
        queue.nack(take(queue, 20))
        queue.bury(take(queue, 10), "broken")
        queue.replay()
        while messages := take_all(queue):
            queue.ack(messages)
    with own_redis.client() as client:
        left = sorted(client.scan_iter("*"))
        assert [key for key in left if ":dedup:" not in key] == [
            "{roundsman}:bell", "{roundsman}:kinds", "{roundsman}:last", f"{{roundsman}}:taken:{KIND}",
        ]  # fmt: skip
        assert client.xlen(f"{{roundsman}}:taken:{KIND}") == 0
        assert all(client.pttl(key) > 0 for key in left if ":dedup:" in key)


# --- who holds what ---


def test_people_see_who_works_on_what(shared: RedisQueues, redis_server: RedisServer) -> None:
    queue = shared.queue(owner="host/boot/1/1")
    queue.enqueue(drafts(range(3)))
    take(queue, 2)
    stream = f"{{{shared.name}}}:taken:{KIND}"
    with redis_server.client() as client:
        assert client.xpending(stream, "receivers")["consumers"] == [{"name": "host/boot/1/1", "pending": 2}]
        shared.queue().release(["host/boot/1/1"])
        assert client.xinfo_consumers(stream, "receivers") == []


def test_two_names_on_one_redis_are_two_queues(redis_server: RedisServer, shared: RedisQueues) -> None:
    other = RedisQueue(redis_server.url, f"t-{token_hex(8)}", QueueOptions(ME), SystemClock())
    with closing(other):
        shared.queue().enqueue([draft()])
        assert take(other) == []
        assert dict(other.depth()) == {}


def test_what_a_killed_process_held_is_received_at_once(redis_server: RedisServer, shared: RedisQueues) -> None:
    queue = shared.queue(clock=SystemClock(), limits={KIND: KindLimits(concurrency=3)})
    queue.enqueue(drafts(range(5)))
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{redis_server.url} {shared.name}\n")
        child.stdin.flush()
        owner = child.stdout.readline().strip()
        assert take(queue) == []
        assert dead_owners({owner}) == set()
        child.kill()
        child.wait(30)
    assert queue.release(dead_owners({owner, ME})) == 3
    messages = take(queue)
    assert (numbers(messages), {message.deliveries for message in messages}) == ([0, 1, 2], {2})


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://", "redis localhost:6379/0"),
        ("redis://:s3cret@cache.example/7", "redis cache.example:6379/7"),
        ("rediss://user:s3cret@10.0.0.1:6380", "redis 10.0.0.1:6380/0"),
        ("unix://:s3cret@/run/redis/redis.sock?db=2", "redis unix:/run/redis/redis.sock/2"),
    ],
)
def test_the_name_of_the_place_is_safe_to_print(url: str, name: str) -> None:
    with closing(RedisConnection(url, "roundsman")) as connection:
        assert connection.name == name


def test_redis_is_not_imported_by_who_does_not_use_it() -> None:
    code = "import sys, daemon, roundsman.cli, roundsman.queues.base; sys.exit('redis' in sys.modules)"
    environment = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=60).returncode == 0
