"""Procrastinate on PostgreSQL."""

import peer
import psycopg
from procrastinate import App, PsycopgConnector


async def job(number, seconds):
    peer.handle(number, seconds)


class Procrastinate(peer.Peer):
    package = "procrastinate"

    def __init__(self, store, options):
        super().__init__(store, options)
        self.app = App(connector=PsycopgConnector(conninfo=store))
        self.job = self.app.task(name="job")(job)

    def prepare(self):
        self.app.open()
        self.app.schema_manager.apply_schema()
        self.connection = psycopg.connect(self.store, autocommit=True)

    def enqueue(self, numbers, seconds):
        self.job.batch_defer(*({"number": number, "seconds": seconds} for number in numbers))

    def unfinished(self):
        waiting = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        return self.connection.execute(waiting).fetchone()[0]

    def work(self):
        self.app.run_worker(concurrency=self.options["concurrency"])


peer.main(Procrastinate)
