"""Who is measured: the peers with the settings at which each was quickest on a drain, and what their data survives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.figures import SQLITE_FULL

SQLITE_ROLLBACK_FULL = "SQLite, rollback journal, synchronous=FULL"


class Home(StrEnum):
    """Where a peer keeps its jobs."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"
    REDIS = "redis"


@dataclass(frozen=True)
class Peer:
    """One tool with one set of settings."""

    name: str
    program: str
    """Below benchmarks/peers; the folder says which environment runs it."""
    home: Home
    settings: str
    """For people, printed beside the figures."""
    options: Mapping[str, object] = field(default_factory=dict)
    """The same for the program."""
    durability: str | None = None
    """Where it is not simply that of the server."""


HUEY = Peer(
    "huey",
    "python/huey_sqlite.py",
    Home.SQLITE,
    "1 thread",
    {"threads": 1},
    f"{SQLITE_FULL}; no ack: a job in flight is lost when the worker dies",
)
DBOS_SQLITE = Peer(
    "dbos-sqlite",
    "python/dbos_workflows.py",
    Home.SQLITE,
    "as shipped; 8 threads, or its queue with 10 at once",
    {"threads": 8, "concurrency": 10},
    SQLITE_ROLLBACK_FULL,
)
DBOS_SQLITE_WAL = Peer(
    "dbos-sqlite-wal",
    "python/dbos_workflows.py",
    Home.SQLITE,
    "file put in WAL by hand; 1 thread, or its queue with 10 at once",
    {"threads": 1, "concurrency": 10, "wal": True},
    SQLITE_FULL,
)
DBOS_POSTGRES = Peer(
    "dbos-postgres",
    "python/dbos_workflows.py",
    Home.POSTGRES,
    "4 threads, or its queue with 10 at once",
    {"threads": 4, "concurrency": 10},
)
DBOS_POSTGRES_DRAIN = Peer(
    "dbos-postgres", "python/dbos_workflows.py", Home.POSTGRES, "queue without a limit, workflow without steps"
)
PROCRASTINATE = Peer(
    "procrastinate", "python/procrastinate_postgres.py", Home.POSTGRES, "concurrency 4", {"concurrency": 4}
)
PG_BOSS = Peer(
    "pg-boss",
    "node/pg_boss.mjs",
    Home.POSTGRES,
    "batches of 1,000, polls every 0.5 s",
    {"batch": 1000, "interval": 0.5},
)
GRAPHILE_WORKER = Peer(
    "graphile-worker", "node/graphile_worker.mjs", Home.POSTGRES, "concurrency 10, defaults", {"concurrency": 10}
)
GRAPHILE_WORKER_BATCHED = Peer(
    "graphile-worker-batched",
    "node/graphile_worker.mjs",
    Home.POSTGRES,
    "concurrency 10, local queue of 500, batched completion",
    {"concurrency": 10, "batch": 500},
)
DRAMATIQ = Peer("dramatiq", "python/dramatiq_redis.py", Home.REDIS, "1 process, 32 threads", {"threads": 32})
CELERY = Peer("celery", "python/celery_redis.py", Home.REDIS, "solo pool", {"pool": "solo"})
RQ = Peer("rq", "python/rq_redis.py", Home.REDIS, "SimpleWorker (no fork)")
BULLMQ = Peer("bullmq", "node/bullmq.mjs", Home.REDIS, "concurrency 10", {"concurrency": 10})
