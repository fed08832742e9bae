"""Celery on Redis."""

import peer
import redis
from celery import Celery


class CeleryOnRedis(peer.Peer):
    package = "celery"

    def __init__(self, store, options):
        super().__init__(store, options)
        self.app = Celery("peers", broker=store)
        self.job = self.app.task(name="job")(peer.handle)
        self.redis = redis.Redis.from_url(store)

    def enqueue(self, numbers, seconds):
        for number in numbers:
            self.job.apply_async((number, seconds))

    def unfinished(self):
        return self.redis.llen("celery") + self.redis.hlen("unacked")

    def work(self):
        self.app.worker_main(["worker", f"--pool={self.options['pool']}", "--loglevel=ERROR"])


peer.main(CeleryOnRedis)
