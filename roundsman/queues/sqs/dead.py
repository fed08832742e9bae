"""Dead letters of an SQS queue, which lie in a queue of their own.

SQS can neither look at messages without taking them nor pick one out. So reading means to receive them all, hidden
for a minute, and to put them back: it costs a call for each ten, two readers at a time see a part each, and in a FIFO
queue those that SQS itself moved there come ten of a group at a time. Moving is a send and then a delete: a crash in
between leaves both, and the message is repeated rather than lost (in FIFO queues the repeated step is a duplicate).
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from roundsman.clock import Clock
from roundsman.errors import QueueError
from roundsman.message import DeadLetter
from roundsman.queues.sqs.client import BATCH, SqsClient, SqsPlace
from roundsman.queues.sqs.letter import Letter, group_id, read_letter
from roundsman.queues.sqs.traits import Traits

READ_MOST = 1_000
"""`dead` looks through so many; the newest of all can only be told when there are no more."""
_HIDDEN_SECONDS = 60
_MOVED = "SQS moved it here itself: it had been received as often as the queue's redrive policy allows"


class SqsDeadLetters:
    """What was given up. All methods raise QueueError when there is no queue for it."""

    def __init__(self, client: SqsClient, place: SqsPlace, traits: Callable[[], Traits], clock: Clock) -> None:
        self._client, self._place, self._traits, self._clock = client, place, traits, clock
        self._lock = threading.Lock()
        self._url = place.dead_letter_url

    def url(self) -> str:
        """Where they lie."""
        with self._lock:
            if self._url is None:
                arn = self._traits().dead_letter_arn
                if arn is None:
                    raise QueueError(
                        f"The queue {self._place.name} of SQS has no place for dead letters: set SQS_DEAD_LETTER_URL, "
                        "or give the queue a redrive policy."
                    )
                self._url = self._client.url_of(arn)
            return self._url

    def add(self, buried: Sequence[tuple[Letter, int, str]]) -> None:
        """Put copies there: each with its deliveries and the reason. The caller deletes the originals."""
        if not buried:
            return
        now, fifo = self._clock.now(), self.url().endswith(".fifo")
        entries = [
            # alone in its group: there is no order to keep here, and readers should not get in each other's way
            letter.entry(
                replace(letter.facts, due_at=None, deliveries=deliveries, dead_at=now, reason=reason[:1000]),
                fifo=fifo,
                group=letter.sqs_id,
            )
            for letter, deliveries, reason in buried
        ]
        self._send(self.url(), entries)

    def read(self, kind: str | None, limit: int) -> list[DeadLetter]:
        """The newest first."""
        found: list[DeadLetter] = []
        looked = 0
        with self._taken() as batches:
            for batch, back in batches:
                back += batch
                found += [_dead_letter(letter) for letter in batch if kind in (None, letter.facts.kind)]
                looked += len(batch)
                if looked >= max(limit, READ_MOST):
                    break
        return sorted(found, key=lambda letter: (letter.dead_at, letter.enqueued_at), reverse=True)[:limit]

    def replay(self, ids: Collection[str] | None, kind: str | None) -> int:
        """Send them back to the queue; see `roundsman.queues.base.Queue.replay`."""
        replayed = 0
        with self._taken() as batches:
            for batch, back in batches:
                chosen = [
                    letter
                    for letter in batch
                    if (ids is None or letter.facts.id in ids) and kind in (None, letter.facts.kind)
                ]
                back += [letter for letter in batch if letter not in chosen]
                self._send(self._place.queue_url, [self._anew(letter) for letter in chosen])
                self._client.delete(self.url(), [letter.handle for letter in chosen])
                replayed += len(chosen)
        return replayed

    def count(self) -> int:
        """About how many; 0 when there is no place for them."""
        if self._place.dead_letter_url is None and self._traits().dead_letter_arn is None:
            return 0
        return sum(counts(self._client, self.url()))

    def _anew(self, letter: Letter) -> dict[str, object]:
        facts = replace(letter.facts, due_at=self._clock.now(), deliveries=0, dead_at=None, reason="")
        return letter.entry(facts, fifo=self._place.fifo, group=group_id(facts))

    def _send(self, url: str, entries: Sequence[dict[str, object]]) -> None:
        refused = self._client.send(url, entries)
        if refused:
            raise QueueError(
                f"SQS refuses to move {len(refused)} messages between {self._place.name} and its dead letters: "
                f"{next(iter(refused.values()))}"
            )

    @contextmanager
    def _taken(self) -> Iterator[Iterator[tuple[list[Letter], list[Letter]]]]:
        """Batches of what lies there, each with the list of those that are to be put back in the end."""
        back: list[Letter] = []
        try:
            yield self._batches(back)
        finally:
            self._client.hide(self.url(), [(letter.handle, 0) for letter in back])

    def _batches(self, back: list[Letter]) -> Iterator[tuple[list[Letter], list[Letter]]]:
        expected, *_ = counts(self._client, self.url())
        seen: set[str] = set()
        while True:
            # Without a wait SQS asks only some of its servers and may say "none" too early; the count lags behind
            wait = 1 if len(seen) < expected else 0
            received = self._client.receive(self.url(), BATCH, hidden=_HIDDEN_SECONDS, wait=wait)
            letters = [letter for letter in map(read_letter, received) if letter.sqs_id not in seen]
            if not letters:
                return
            seen.update(letter.sqs_id for letter in letters)
            yield letters, back


def counts(client: SqsClient, url: str) -> tuple[int, int, int]:
    """About how many are ready, delayed, and received or put back for later (SQS does not tell these two apart)."""
    prefix = "ApproximateNumberOfMessages"
    found = client.attributes(url, prefix, f"{prefix}Delayed", f"{prefix}NotVisible")
    ready, delayed, hidden = (int(found.get(prefix + name, 0)) for name in ("", "Delayed", "NotVisible"))
    return ready, delayed, hidden


def _dead_letter(letter: Letter) -> DeadLetter:
    facts = letter.facts
    return DeadLetter(
        id=facts.id,
        kind=facts.kind,
        body=letter.body,
        priority=facts.priority,
        group=facts.group,
        deliveries=facts.deliveries or letter.received,
        enqueued_at=facts.enqueued_at,
        dead_at=facts.dead_at or letter.sent_at,
        reason=facts.reason or _MOVED,
    )
