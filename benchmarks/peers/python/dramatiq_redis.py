"""Dramatiq on Redis."""

import threading

import dramatiq
import peer
from dramatiq.brokers.redis import RedisBroker


class Dramatiq(peer.Peer):
    package = "dramatiq"

    def __init__(self, store, options):
        super().__init__(store, options)
        self.broker = RedisBroker(url=store)
        self.job = dramatiq.actor(peer.handle, broker=self.broker)

    def enqueue(self, numbers, seconds):
        for number in numbers:
            self.job.send(number, seconds)

    def unfinished(self):
        return self.broker.client.hlen("dramatiq:default.msgs")  # an ack removes a message from here

    def work(self):
        dramatiq.Worker(self.broker, worker_threads=self.options["threads"]).start()
        threading.Event().wait()


peer.main(Dramatiq)
