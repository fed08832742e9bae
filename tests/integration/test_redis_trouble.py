"""The ways in which Redis fails: each is told in one sentence without a secret, and over when Redis is well."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from queue_places import ME
from queue_samples import KIND, PATIENCE, draft, drafts, numbers, take, take_all, take_one
from redis_server import RedisServer, start_redis, stop_redis
from sentences import OTHER_PASSWORD, sentence
from servers import PASSWORD

from roundsman.clock import SystemClock
from roundsman.errors import QueueError
from roundsman.queues import redis_connection
from roundsman.queues.base import QueueOptions
from roundsman.queues.redis import RedisQueue


@pytest.fixture
def queue(own_redis: RedisServer) -> Iterator[RedisQueue]:
    with closing(queue_at(own_redis.url)) as made:
        yield made


def queue_at(url: str) -> RedisQueue:
    return RedisQueue(url, "roundsman", QueueOptions(ME), SystemClock())


ASKING: list[Callable[[RedisQueue], object]] = [
    lambda queue: queue.enqueue([draft()]),
    lambda queue: take(queue),
    lambda queue: queue.dequeue({KIND: 1}, 1, PATIENCE),
    lambda queue: queue.release([]),
    lambda queue: queue.depth(),
    lambda queue: queue.dead(),
    lambda queue: queue.replay(),
    lambda queue: queue.forget(SystemClock().now(), 10),
    lambda queue: queue.unknown(["1"]),
    lambda queue: queue.ping(),
]


@pytest.mark.parametrize("ask", ASKING)
def test_a_redis_that_is_away_is_named_in_one_sentence(ask: Callable[[RedisQueue], object]) -> None:
    with closing(queue_at(f"redis://:{PASSWORD}@127.0.0.1:1/3")) as queue:
        text = sentence(QueueError, lambda: ask(queue))
    assert text.startswith("redis 127.0.0.1:1/3 cannot be reached")
    assert "REDIS_URL" in text


def test_it_works_on_when_redis_has_come_back_with_nothing(own_redis: RedisServer, queue: RedisQueue) -> None:
    entered = queue.enqueue(drafts(range(4)))
    held = take(queue, 2)
    stop_redis(own_redis.folder)
    assert "cannot be reached" in sentence(QueueError, lambda: take(queue))
    start_redis(own_redis.folder, own_redis.port)
    assert queue.unknown([one.id for one in entered]) == {one.id for one in entered}
    assert queue.ack(held) == held
    assert queue.extend(held) == held
    assert queue.release([ME]) == 0
    (again,) = queue.enqueue([draft(9)])
    assert again.id not in {one.id for one in entered}, "or a lost message would be taken for the new one"
    message = take_one(queue)
    assert (message.body, queue.ack([message])) == ({"number": 9}, [])


def test_whoever_waits_is_told_that_redis_went_away(own_redis: RedisServer, queue: RedisQueue) -> None:
    with ThreadPoolExecutor(1) as pool, own_redis.client() as client:
        waiting = pool.submit(queue.dequeue, {KIND: 1}, 1, PATIENCE)
        while client.info("clients")["blocked_clients"] == 0:
            assert not waiting.done()
        stop_redis(own_redis.folder)
        assert "has closed the connection" in sentence(QueueError, lambda: waiting.result(30))


def test_a_redis_that_hangs_is_named(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_connection, "ANSWER_TIMEOUT_S", 0.3)
    pid = int((own_redis.folder / "redis.pid").read_text())
    with closing(queue_at(own_redis.url)) as queue:
        queue.enqueue([draft()])
        os.kill(pid, signal.SIGSTOP)
        try:
            assert "has not answered for 0.3 s" in sentence(QueueError, lambda: take(queue))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert sum(depth.ready + depth.leased for depth in queue.depth().values()) == 1


def test_closed_connections_are_replaced_without_an_error(own_redis: RedisServer, queue: RedisQueue) -> None:
    queue.enqueue([draft()])
    with own_redis.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert numbers(take(queue)) == [0]


def test_forgotten_scripts_are_sent_again(own_redis: RedisServer, queue: RedisQueue) -> None:
    queue.enqueue([draft()])
    with own_redis.client() as client:
        client.script_flush()
    queue.enqueue([draft()])
    assert len(take(queue)) == 2


def test_a_wrong_password_is_named(own_redis: RedisServer) -> None:
    with closing(queue_at(own_redis.url.replace(PASSWORD, OTHER_PASSWORD))) as queue:
        assert "refuses the user or the password in REDIS_URL" in sentence(QueueError, queue.ping)
    with closing(queue_at(f"redis://127.0.0.1:{own_redis.port}")) as queue:
        assert "wants a password" in sentence(QueueError, queue.ping)
        assert "wants a password" in sentence(QueueError, lambda: take(queue))


def test_a_user_without_rights_is_named(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", ">s3cret", "~*", "+@read", "+@connection")
    with closing(queue_at(f"redis://reader:s3cret@127.0.0.1:{own_redis.port}/0")) as queue:
        assert "does not allow the user" in sentence(QueueError, lambda: take(queue))


def test_a_user_with_the_rights_on_the_queue_alone_is_enough(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.execute_command(
            "ACL", "SETUSER", "daemon", "on", ">s3cret", "~{roundsman}:*", "+@all", "-@dangerous", "-@admin"
        )
    with closing(queue_at(f"redis://daemon:s3cret@127.0.0.1:{own_redis.port}/0")) as queue:
        queue.enqueue([draft(dedup="a")])
        queue.bury(take(queue), "broken")
        queue.replay()
        queue.nack(take(queue))
        assert queue.release([ME]) == 0
        assert queue.ack(take(queue)) == []


def test_a_full_redis_is_named_and_can_be_emptied(own_redis: RedisServer, queue: RedisQueue) -> None:
    queue.enqueue(drafts(range(20)))
    (returned,) = take(queue, 1)
    with own_redis.client() as client:
        client.config_set("maxmemory", 1)
    assert "has no memory left" in sentence(QueueError, lambda: queue.enqueue([draft()]))
    messages = take(queue, 5)
    assert numbers(messages) == [1, 2, 3, 4, 5], "what makes room is allowed"
    assert queue.ack(messages) == []
    assert queue.nack([returned]) == []
    assert len(take_all(queue)) == 15
    with own_redis.client() as client:
        client.config_set("maxmemory", 0)
    assert len(queue.enqueue([draft()])) == 1


def test_a_replica_is_named(own_redis: RedisServer, queue: RedisQueue) -> None:
    with own_redis.client() as client:
        client.replicaof("127.0.0.1", 1)
    assert "is a replica" in sentence(QueueError, lambda: queue.enqueue([draft()]))


def test_keys_of_another_sort_are_named(own_redis: RedisServer, queue: RedisQueue) -> None:
    with own_redis.client() as client:
        client.set("{roundsman}:messages", "somebody else's")
    assert "WRONGTYPE" in sentence(QueueError, lambda: queue.enqueue([draft()]))
