"""The queue that the settings ask for. It is not connected to, and only the chosen one is imported."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from config import Settings, SqsSettings
from config.secret import Secret
from roundsman.clock import Clock
from roundsman.queues.base import Queue, QueueOptions
from roundsman.repositories.engine import Store
from roundsman.repositories.identity import identity_of
from roundsman.runs.run_queue import RunQueue

if TYPE_CHECKING:
    from roundsman.queues.sqs.client import SqsPlace


def queue_of(settings: Settings, store: Store, clock: Clock, options: QueueOptions) -> Queue:
    """Every queue behind the same port: for `roundsman queue`, and for runs if it lies outside the store.

    Raises StoreError.
    """
    chosen = settings.queue
    if chosen.redis_url is not None:
        from roundsman.queues.redis import RedisQueue

        # Of the store, too: the messages of another one would name runs that this one does not know
        return RedisQueue(chosen.redis_url.reveal(), f"{chosen.name}-{identity_of(store)}", options, clock)
    if chosen.sqs is not None:
        from roundsman.queues.sqs.queue import SqsQueue

        return SqsQueue(_place(chosen.sqs), options, clock)
    from roundsman.queues.sql import SqlQueue

    return SqlQueue(store, clock, options)


def run_queue_of(
    settings: Settings, store: Store, clock: Clock, options: QueueOptions, queue: Callable[[], Queue]
) -> RunQueue:
    """The same queue as runs use it."""
    if settings.queue.type != "local":
        from roundsman.runs.remote_queue import RemoteRunQueue

        return RemoteRunQueue(queue(), clock)
    from roundsman.queues.bell import Bell
    from roundsman.repositories.queue import QueueRepository
    from roundsman.runs.run_queue import StoreRunQueue

    repository = QueueRepository(
        options.owner, options.limits, options.lease, options.dedup_window, options.max_deliveries
    )
    return StoreRunQueue(store, repository, Bell(store))


def _place(settings: SqsSettings) -> "SqsPlace":
    from roundsman.queues.sqs.client import SqsPlace

    return SqsPlace(
        queue_url=settings.queue_url,
        dead_letter_url=settings.dead_letter_url,
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        access_key_id=_revealed(settings.access_key_id),
        secret_access_key=_revealed(settings.secret_access_key),
        session_token=_revealed(settings.session_token),
    )


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
