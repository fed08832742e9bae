"""Huey on SQLite, WAL with synchronous=FULL. It deletes a task as it takes it: there is no ack."""

import peer
from huey import SqliteHuey


class HueyOnSqlite(peer.Peer):
    package = "huey"

    def __init__(self, store, options):
        super().__init__(store, options)
        self.huey = SqliteHuey(filename=store, fsync=True)
        self.job = self.huey.task(name="job")(peer.handle)

    def enqueue(self, numbers, seconds):
        for number in numbers:
            self.job(number, seconds)

    def unfinished(self):
        return self.huey.storage.queue_size()

    def work(self):
        self.huey.create_consumer(workers=self.options["threads"]).run()


peer.main(HueyOnSqlite)
