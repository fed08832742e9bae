"""RQ on Redis with its SimpleWorker, which runs jobs without a fork."""

import peer
from redis import Redis
from rq import Queue, SimpleWorker


class Rq(peer.Peer):
    package = "rq"

    def __init__(self, store, options):
        super().__init__(store, options)
        self.redis = Redis.from_url(store)
        self.queue = Queue(connection=self.redis)

    def enqueue(self, numbers, seconds):
        self.queue.enqueue_many([Queue.prepare_data(peer.handle, args=(number, seconds)) for number in numbers])

    def unfinished(self):
        return self.queue.count + self.queue.started_job_registry.get_job_count(cleanup=False)

    def work(self):
        SimpleWorker([self.queue], connection=self.redis).work(logging_level="ERROR")


peer.main(Rq)
