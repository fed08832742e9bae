"""DBOS: durable workflows on SQLite or PostgreSQL, started directly or through its queue."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import peer
import psycopg
from dbos import DBOS, DBOSClient

QUEUE = "jobs"
LEFT = "SELECT count(*) FROM {}workflow_status WHERE status IN ('ENQUEUED', 'PENDING', 'DELAYED')"


@DBOS.workflow()
def job(number, seconds):
    peer.handle(number, seconds)


@DBOS.step()
def step(number):
    peer.note("S", number)
    return number


@DBOS.workflow()
def three_steps(number):
    return step(number) + step(number) + step(number)


class Dbos(peer.Peer):
    package = "dbos"

    def __init__(self, store, options):
        super().__init__(store, options)
        self.url = store if "://" in store else f"sqlite:///{store}"

    def _launch(self):
        DBOS(config={"name": "peers", "system_database_url": self.url, "log_level": "ERROR"})
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=self.options.get("concurrency"))

    def prepare(self):
        self._launch()
        DBOS.destroy()  # the client is to be no worker
        if self.options.get("wal"):
            with closing(sqlite3.connect(self.store)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        self.client = DBOSClient(system_database_url=self.url)

    def enqueue(self, numbers, seconds):
        for number in numbers:
            self.client.enqueue({"workflow_name": job.__qualname__, "queue_name": QUEUE}, number, seconds)

    def unfinished(self):
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.store)) as connection:
                return connection.execute(LEFT.format("")).fetchone()[0]
        with closing(psycopg.connect(self.store)) as connection:
            return connection.execute(LEFT.format("dbos.")).fetchone()[0]

    def work(self):
        self._launch()
        while True:
            time.sleep(3600)

    def run_steps(self, runs):
        self._launch()
        begun = time.monotonic()
        with ThreadPoolExecutor(self.options["threads"]) as pool:
            done = list(pool.map(three_steps, range(runs)))
        seconds = time.monotonic() - begun
        if done != [3 * number for number in range(runs)] or self.unfinished():
            raise RuntimeError("not all workflows ended")
        return seconds


peer.main(Dbos)
