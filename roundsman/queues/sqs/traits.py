"""How an SQS queue itself is set up, as far as it touches us: read at first use, and judged once in the log."""

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from roundsman.queues.sqs.client import DeniedError, SqsClient, SqsPlace

FEW_RECEIVES = 10
"""A redrive policy that allows fewer takes messages away that are not given up: leases that ran out, restarts, and
messages that were early or not wanted at the time all count as receives."""
_NAMES = ("RedrivePolicy", "VisibilityTimeout", "MessageRetentionPeriod", "MaximumMessageSize")
_FIFO_NAMES = ("DeduplicationScope",)
_RETENTION = timedelta(days=4)
"""SQS's default."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Traits:
    """What was found."""

    retention: timedelta = _RETENTION
    """Whatever is older is gone, without a word."""
    largest: int | None = None
    """Bytes of a message."""
    visibility: timedelta | None = None
    max_receives: int | None = None
    """After so many SQS itself moves a message to the dead letters."""
    dead_letter_arn: str | None = None
    duplicates_by_group: bool = False
    """It looks for duplicates within a group only, as a FIFO queue of high throughput does."""


class TraitsOf:
    """The traits of one queue, read when they are first needed."""

    def __init__(self, client: SqsClient, place: SqsPlace, lease: timedelta) -> None:
        self._client, self._place, self._lease = client, place, lease
        self._lock = threading.Lock()
        self._found: Traits | None = None
        self._denied = False

    def __call__(self) -> Traits:
        """Raises QueueError."""
        with self._lock:
            if self._found is None:
                names = (*_NAMES, *_FIFO_NAMES) if self._place.fifo else _NAMES
                self._found = _read(self._client.attributes(self._place.queue_url, *names))
                self._judge(self._found)
            return self._found

    def look(self) -> None:
        """Have the judgement said. Whoever may not read attributes can still receive. Raises QueueError."""
        if self._found is not None or self._denied:
            return
        try:
            self()
        except DeniedError as error:
            self._denied = True
            log.warning("Nothing is known of the queue's redrive policy and visibility timeout: %s", error)

    def _judge(self, traits: Traits) -> None:
        if traits.max_receives is not None and traits.max_receives < FEW_RECEIVES:
            log.warning(
                "The redrive policy of the queue %s gives a message up after %d receives, behind our back and however "
                "many attempts are left; set its maxReceiveCount to 100 or more.",
                self._place.name,
                traits.max_receives,
            )
        if traits.dead_letter_arn is None and self._place.dead_letter_url is None:
            log.warning(
                "The queue %s has no place for dead letters: a run that fails for good leaves none that could be "
                "replayed; set SQS_DEAD_LETTER_URL, or give the queue a redrive policy.",
                self._place.name,
            )
        if traits.visibility is not None and traits.visibility != self._lease:
            log.info(
                "The visibility timeout of the queue %s (%d s) does not matter: each receive asks for %d s, and work "
                "that takes longer prolongs it.",
                self._place.name,
                traits.visibility.total_seconds(),
                self._lease.total_seconds(),
            )


def _read(attributes: Mapping[str, str]) -> Traits:
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    visibility, largest = attributes.get("VisibilityTimeout"), attributes.get("MaximumMessageSize")
    return Traits(
        retention=timedelta(seconds=int(attributes.get("MessageRetentionPeriod", _RETENTION.total_seconds()))),
        largest=int(largest) if largest is not None else None,
        visibility=timedelta(seconds=int(visibility)) if visibility is not None else None,
        max_receives=int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None,
        dead_letter_arn=policy.get("deadLetterTargetArn"),
        duplicates_by_group=attributes.get("DeduplicationScope") == "messageGroup",
    )
