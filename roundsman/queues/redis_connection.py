"""The way to Redis: its address without secrets, the scripts, and its refusals in one sentence each.

The only importer of redis-py, which costs 0.3 s: import this module when Redis is configured. Nothing is sent twice by
itself, as an enqueue of which the answer was lost may have been done; a connection that Redis has closed is noticed
before it is used, so a restart of Redis costs no error once it is up again.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from roundsman.errors import QueueError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0
LONGEST_WAIT_S = ANSWER_TIMEOUT_S / 2
"""Of one blocking read: shorter than the timeout, or a quiet Redis would look like a lost one."""

_LOCKED = "wants a password; write it into REDIS_URL, redis://:PASSWORD@HOST:6379/0"
_BEGINNINGS = {
    "NOAUTH": _LOCKED,
    "Authentication required": _LOCKED,  # redis-py leaves the first word away
    "WRONGPASS": "refuses the user or the password in REDIS_URL",
    "NOPERM": "does not allow the user of REDIS_URL to do this; it needs scripts, and all commands on the queue's keys",
    "READONLY": "is a replica, which cannot be written to; let REDIS_URL name the primary",
    "OOM": "has no memory left (maxmemory); give it more, or remove other data",
    "MISCONF": "cannot save its data to disk and takes no more; look at its log and its disk",
    "LOADING": "is still loading its data",
    "MASTERDOWN": "is a replica that has lost its primary",
    "BUSY": "is busy with somebody's endless script",
    "MOVED": "is a cluster, which is not supported; let REDIS_URL name a single server",
    "CROSSSLOT": "is a cluster, which is not supported; let REDIS_URL name a single server",
}
_KINDS: tuple[tuple[type[RedisError], str], ...] = (
    (AuthenticationError, _BEGINNINGS["WRONGPASS"]),
    (AuthorizationError, _BEGINNINGS["NOPERM"]),
    (NoPermissionError, _BEGINNINGS["NOPERM"]),
    (ReadOnlyError, _BEGINNINGS["READONLY"]),
    (OutOfMemoryError, _BEGINNINGS["OOM"]),
    (BusyLoadingError, _BEGINNINGS["LOADING"]),
)


class RedisConnection:
    """Connections to one Redis, opened when needed: as many as there are threads that speak to it at a time."""

    def __init__(self, url: str, queue: str) -> None:
        """`url` as in REDIS_URL; `queue` begins the names of all keys, in the braces of a hash tag."""
        self._client = redis.Redis.from_url(
            url,
            protocol=2,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=ANSWER_TIMEOUT_S,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        facts = self._client.connection_pool.connection_kwargs
        place = (
            f"unix:{facts['path']}"
            if "path" in facts
            else f"{facts.get('host', 'localhost')}:{facts.get('port', 6379)}"
        )
        self.name = f"redis {place}/{facts.get('db') or 0}"
        self.root = f"{{{queue}}}:"
        self._scripts: dict[str, Script] = {}

    def run(self, script: str, now: datetime, asked: Mapping[str, Any], records: list[str] | None = None) -> Any:
        """Let one of `redis_scripts/` do its work in one round trip. Raises QueueError."""
        if script not in self._scripts:
            self._scripts[script] = self._client.register_script(_source(script))
        # dumps: not all of the world's texts are UTF-8, but their escapes are
        arguments = [(now - EPOCH) // timedelta(microseconds=1), json.dumps(asked), *(records or ())]
        with self._sentences():
            return self._scripts[script](keys=[self.root], args=arguments)

    def ring(self, bell: str) -> None:
        """Let those return who `listen` to this bell of one receiver."""
        with self._sentences(), self._client.pipeline() as pipeline:
            pipeline.xadd(bell, {"rung": ""}, maxlen=1, approximate=False)
            pipeline.expire(bell, 3_600)
            pipeline.execute()

    def listen(self, bells: Mapping[str, bytes], seconds: float) -> None:
        """Wait until one of the bells has been rung after its given time (an id of a stream), or for so long."""
        ids: dict[Any, Any] = dict(bells)
        with self._sentences():
            self._client.xread(ids, block=max(1, int(min(seconds, LONGEST_WAIT_S) * 1000)))

    def ping(self) -> None:
        """One round trip. Raises QueueError."""
        with self._sentences():
            self._client.ping()

    def close(self) -> None:
        """Close those that nobody is using: redis-py cannot bear that another thread closes one under its hands."""
        self._client.connection_pool.disconnect(inuse_connections=False)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            raise QueueError(f"{self.name} {_words(error)}.") from error


def _words(error: RedisError) -> str:
    """What Redis refuses and what to do, as the end of a sentence."""
    text = str(error)
    for beginning, words in _BEGINNINGS.items():
        # also behind what scripts put before it
        if text.startswith(beginning) or f" {beginning} " in text:
            return words
    for kind, words in _KINDS:
        if isinstance(error, kind):
            return words
    if isinstance(error, ResponseError):
        return f"refused: {text.splitlines()[0] if text else type(error).__name__}"
    if isinstance(error, redis.TimeoutError):
        return f"has not answered for {ANSWER_TIMEOUT_S:g} s; see how it does, and whether REDIS_URL is right"
    if isinstance(error, redis.ConnectionError):
        return "cannot be reached, or has closed the connection; see whether it runs, and whether REDIS_URL is right"
    return f"failed: {type(error).__name__}"


@cache
def _source(script: str) -> str:
    folder = resources.files("roundsman.queues") / "redis_scripts"
    return (folder / "common.lua").read_text("ascii") + (folder / f"{script}.lua").read_text("ascii")
