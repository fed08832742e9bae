"""The queue on Amazon SQS, standard or FIFO (when its URL ends in .fifo). What differs from the other queues:

- All kinds share the queue. A message of a kind that is not wanted just then, or whose limits are reached, is put back:
  at once by a receiver that does not wait, else for a few seconds, so that it does not come round and round. Limits
  hold for each process by itself.
- SQS brings messages in an order of its own: the most urgent of what one `dequeue` brought comes first, no more. A
  message may rarely be delivered twice (standard queues), and counts of messages are estimates, of all kinds together.
- Groups and `dedup` need a FIFO queue. There a duplicate is dropped for five minutes whoever sent it, but is known as
  one only to the process that sent the first.
- A lease, and a delay of `nack`, end twelve hours after the message was received, whatever is asked for. A message
  that is older than the queue's retention period is gone.
- Nobody can tell SQS that a receiver is dead, nor can SQS tell who its receivers are: what a dead one held comes back
  with the end of its lease.
- What waits for its time cannot be reached before, so it cannot be hastened. In a FIFO queue a delayed message keeps
  its group back until it comes.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from roundsman.clock import Clock
from roundsman.message import DeadLetter, Depth, Draft, Entered, Message
from roundsman.queues.base import QueueOptions, worn_out
from roundsman.queues.sqs.client import SqsClient, SqsPlace
from roundsman.queues.sqs.dead import SqsDeadLetters, counts
from roundsman.queues.sqs.duplicates import Duplicates
from roundsman.queues.sqs.lease import Leases
from roundsman.queues.sqs.letter import whole_seconds
from roundsman.queues.sqs.poll import Ended, LongPoll
from roundsman.queues.sqs.receiver import SqsReceiver
from roundsman.queues.sqs.sender import SqsSender
from roundsman.queues.sqs.traits import TraitsOf

ALL_KINDS = "*"
"""Under this name `depth` counts, as SQS knows no kinds. As leased it counts also what was put back for later."""
_SETTLING = timedelta(minutes=2)
"""The counts of SQS are right about a minute after the last change (GetQueueAttributes)."""


class SqsQueue:
    """See `roundsman.queues.base.Queue`."""

    hastens = False

    def __init__(self, place: SqsPlace, options: QueueOptions, clock: Clock) -> None:
        self.name = f"sqs {place.name}"
        self._url, self._clock, self._max_deliveries = place.queue_url, clock, options.max_deliveries
        self._client = SqsClient(place)
        self._traits = TraitsOf(self._client, place, options.lease)
        self._dead = SqsDeadLetters(self._client, place, self._traits, clock)
        self._sender = SqsSender(self._client, place, self._traits, Duplicates(options.dedup_window, clock), clock)
        self._leases = Leases(options.lease, options.limits, clock)
        self._receiver = SqsReceiver(self._client, place, self._leases, self._dead, options.max_deliveries, clock)
        self._poll = LongPoll(self._receiver.receive, self._receiver.give_back)
        self._last_sent: float | None = None

    # --- in and out ---

    def judge(self, drafts: Sequence[Draft]) -> None:
        self._sender.judge(drafts)

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        """See the port. BadInputError for what this queue cannot do; when it raises QueueError, some may be in."""
        self._last_sent = self._clock.monotonic()
        return self._sender.enqueue(drafts)

    def dequeue(self, wanted: Mapping[str, int], most: int, wait: timedelta = timedelta(0)) -> list[Message]:
        self._traits.look()
        self._receiver.returns.want(wanted)
        room = {kind: number for kind, number in wanted.items() if number > 0}
        most = max(0, min(most, sum(room.values())))
        if wait <= timedelta(0) or self._poll.woken():
            return self._receiver.catch(self._receiver.receive(most), room, most, patient=False) if most else []
        end = time.monotonic() + wait.total_seconds()
        while (left := end - time.monotonic()) > 0:
            came = self._poll.wait(most, timedelta(seconds=left))
            if came is Ended.EMPTY:
                continue
            if isinstance(came, Ended):
                break
            if messages := self._receiver.catch(came, room, most, patient=True):
                return messages
        return []

    def wake(self) -> None:
        self._poll.wake()

    # --- what becomes of them ---

    def ack(self, messages: Sequence[Message]) -> list[Message]:
        held = self._leases.still_held(messages)
        return self._finish(messages, held, self._client.delete(self._url, _handles(held)))

    def nack(self, messages: Sequence[Message], delay: timedelta = timedelta(0)) -> list[Message]:
        held = self._leases.still_held(messages)
        back = [message for message in held if not self._is_worn_out(message)]
        worn = [message for message in held if self._is_worn_out(message)]
        spans = [whole_seconds(self._leases.left(message.lease, delay)) for message in back]
        refused = self._client.hide(self._url, list(zip(_handles(back), spans, strict=True)))
        lost = [*self._finish(back, back, refused), *self._give_up(worn, [worn_out(m.deliveries) for m in worn])]
        return _without(messages, _without(held, lost))

    def bury(self, messages: Sequence[Message], reason: str) -> list[Message]:
        held = self._leases.still_held(messages)
        lost = self._give_up(held, [reason] * len(held))
        return _without(messages, _without(held, lost))

    def extend(self, messages: Sequence[Message]) -> list[Message]:
        """See the port. A message that was received twelve hours ago cannot be held any longer: it is lost."""
        since = self._clock.monotonic()
        held = [m for m in self._leases.still_held(messages) if self._leases.left(m.lease) >= timedelta(seconds=1)]
        # rounded down: a second beyond the twelve hours, and SQS refuses it all
        spans = [self._leases.left(message.lease) // timedelta(seconds=1) for message in held]
        refused = self._client.hide(self._url, list(zip(_handles(held), spans, strict=True)))
        kept = [message for place, message in enumerate(held) if place not in refused]
        self._leases.prolong(kept, since)
        return _without(messages, kept)

    def release(self, owners: Collection[str]) -> int:
        """Frees nothing: SQS alone knows who holds what, and until when."""
        return 0

    def receivers(self) -> set[str]:
        """Nobody, for the same reason."""
        return set()

    def hasten(self, ids: Collection[str]) -> set[str]:
        """None: nobody can reach a message of SQS before it comes."""
        return set()

    def _is_worn_out(self, message: Message) -> bool:
        return self._max_deliveries is not None and message.deliveries >= self._max_deliveries

    def _give_up(self, held: Sequence[Message], reasons: Sequence[str]) -> list[Message]:
        self._dead.add([(m.lease.letter, m.deliveries, reason) for m, reason in zip(held, reasons, strict=True)])
        return self._finish(held, held, self._client.delete(self._url, _handles(held)))

    def _finish(self, messages: Sequence[Message], held: Sequence[Message], refused: Collection[int]) -> list[Message]:
        """These leases are over. Returns those of the messages that were lost: before, or as SQS now says."""
        self._leases.end(held)
        return _without(messages, [message for place, message in enumerate(held) if place not in refused])

    # --- looking, dead letters ---

    def depth(self) -> Mapping[str, Depth]:
        """About how many, of all kinds together."""
        ready, delayed, hidden = counts(self._client, self._url)
        depth = Depth(ready=ready, delayed=delayed, leased=hidden, dead=self._dead.count())
        return {} if depth == Depth() else {ALL_KINDS: depth}

    def dead(self, kind: str | None = None, limit: int = 100) -> list[DeadLetter]:
        return self._dead.read(kind, limit)

    def replay(self, ids: Collection[str] | None = None, kind: str | None = None) -> int:
        if ids is not None and not ids:
            return 0
        self._last_sent = self._clock.monotonic()
        return self._dead.replay(ids, kind)

    def forget(self, before: datetime, limit: int) -> int:
        """Removes nothing: SQS itself does, after the MessageRetentionPeriod of the queue of dead letters."""
        return 0

    def unknown(self, ids: Collection[str]) -> set[str]:
        """All when nothing is in the queue nor among the dead letters, and nothing was sent of late; else none."""
        if self._last_sent is not None and self._clock.monotonic() - self._last_sent < _SETTLING.total_seconds():
            return set()
        return set() if self.depth() else set(ids)

    def ping(self) -> None:
        self._client.attributes(self._url, "QueueArn")

    def close(self) -> None:
        """See the port. A poll that is under way ends by itself, and gives back what it brings."""
        self._poll.close()
        self._client.close()


def _handles(messages: Sequence[Message]) -> list[str]:
    return [message.lease.letter.handle for message in messages]


def _without(messages: Sequence[Message], done: Sequence[Message]) -> list[Message]:
    leases = {id(message.lease) for message in done}
    return [message for message in messages if id(message.lease) not in leases]
