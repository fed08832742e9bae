"""Every exact queue does what the queue in memory does, whatever is asked of it in whatever order.

The other files say what is meant, one thing at a time; this one finds what only shows when groups, delays, limits,
leases that run out, dead receivers and replays meet. Both queues are asked the same at random; whatever they answer,
and all that can be seen of them, must be equal but for their ids.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from queue_places import ME, OTHER, Feature, QueuePlace
from queue_places_memory import MemoryQueues
from queue_samples import KIND, OTHER_KIND

from roundsman.clock import ManualClock
from roundsman.message import DeadLetter, Draft, KindLimits, Message, Rate
from roundsman.queues.base import Queue

KINDS = (KIND, OTHER_KIND, "third")
LIMITS = {OTHER_KIND: KindLimits(concurrency=3), "third": KindLimits(rate=Rate(4, timedelta(seconds=20)))}
STEPS = 150

pytestmark = pytest.mark.needs(
    Feature.TIME, Feature.ORDER, Feature.DELAY, Feature.GROUPS, Feature.DEDUP, Feature.FENCING, Feature.RELEASE,
    Feature.LIMITS, Feature.DEPTH, Feature.REASONS, Feature.UNKNOWN,
)  # fmt: skip


class Twins:
    """The same two receivers, once on the place and once in memory, and what they hold."""

    def __init__(self, place: QueuePlace, memory: QueuePlace, dice: random.Random) -> None:
        self.dice = dice
        self.place = place
        self.queues: list[tuple[Queue, Queue]] = [
            (self._queue(place, owner), self._queue(memory, owner)) for owner in (ME, OTHER)
        ]
        self.ids: list[tuple[str, str]] = []
        self.held: list[tuple[Message, Message]] = []
        self.number = 0

    @staticmethod
    def _queue(place: QueuePlace, owner: str) -> Queue:
        return place.queue(
            owner=owner,
            limits=LIMITS,
            lease=timedelta(seconds=10 if owner == ME else 25),
            dedup_window=timedelta(seconds=15),
            max_deliveries=4,
        )

    def step(self) -> None:
        actions: list[Callable[[], None]] = [
            self.enqueue, self.enqueue, self.dequeue, self.dequeue, self.dequeue, self.ack, self.ack,
            self.nack, self.bury, self.extend, self.pass_time, self.pass_time, self.release, self.replay,
        ]  # fmt: skip
        self.dice.choice(actions)()

    def enqueue(self) -> None:
        drafts = [self._draft() for _ in range(self.dice.randint(1, 6))]
        here, there = (queue.enqueue(drafts) for queue in self.dice.choice(self.queues))
        assert [one.duplicate for one in here] == [one.duplicate for one in there]
        self.ids += [(one.id, other.id) for one, other in zip(here, there, strict=True)]
        assert len(set(self.ids)) == len({one for one, _ in self.ids}) == len({other for _, other in self.ids})

    def _draft(self) -> Draft:
        dice = self.dice
        self.number += 1
        return Draft(
            kind=dice.choice(KINDS),
            body={"number": self.number},
            priority=dice.choice([0, 1, 1, 5, 5, 5, 10, 20, 57]),
            delay=timedelta(seconds=dice.choice([0, 0, 0, 3, 12])),
            group=dice.choice([None, None, "a", "b", "c"]),
            dedup=dice.choice([None, None, None, "x", "y"]),
        )

    def dequeue(self) -> None:
        wanted = {kind: self.dice.randint(1, 4) for kind in self.dice.sample(KINDS, self.dice.randint(1, 3))}
        most = self.dice.randint(1, 6)
        here, there = (queue.dequeue(wanted, most) for queue in self.dice.choice(self.queues))
        assert [alike(one) for one in here] == [alike(one) for one in there]
        self.held += zip(here, there, strict=True)

    def ack(self) -> None:
        self._tell(lambda queue, messages: queue.ack(messages))

    def nack(self) -> None:
        delay = timedelta(seconds=self.dice.choice([0, 0, 4]))
        self._tell(lambda queue, messages: queue.nack(messages, delay))

    def bury(self) -> None:
        self._tell(lambda queue, messages: queue.bury(messages, "broken"))

    def extend(self) -> None:
        self._tell(lambda queue, messages: queue.extend(messages))

    def _tell(self, word: Callable[[Queue, Sequence[Message]], list[Message]]) -> None:
        """Of held ones, also of some whose lease is long over: they are never forgotten here."""
        recent = self.held[-20:]
        self.dice.shuffle(recent)
        chosen = list({one.id: (one, other) for one, other in recent}.values())[: self.dice.randint(1, 4)]
        if not chosen:
            return
        here, there = self.dice.choice(self.queues)
        lost_here = word(here, [one for one, _ in chosen])
        lost_there = word(there, [other for _, other in chosen])
        assert [alike(one) for one in lost_here] == [alike(one) for one in lost_there]

    def pass_time(self) -> None:
        self.place.pass_time(timedelta(seconds=self.dice.choice([1, 2, 5, 11])))  # the clock is the same for both

    def release(self) -> None:
        owners = self.dice.choice([[], [OTHER], [ME, OTHER]])
        here, there = (queue.release(owners) for queue in self.queues[0])
        assert here == there

    def replay(self) -> None:
        here, there = self.queues[0]
        kind = self.dice.choice([None, KIND])
        if self.dice.random() < 0.5:
            assert here.replay(kind=kind) == there.replay(kind=kind)
        else:
            some = self.dice.sample(self.ids, min(len(self.ids), 10))
            assert here.replay([one for one, _ in some], kind) == there.replay([one for _, one in some], kind)

    def compare(self) -> None:
        """All that can be seen of them."""
        here, there = self.queues[0]
        assert counts(here) == counts(there)
        assert sorted(map(alike, here.dead(limit=10_000))) == sorted(map(alike, there.dead(limit=10_000)))
        missing, missing_there = here.unknown([one for one, _ in self.ids]), there.unknown([one for _, one in self.ids])
        assert [one in missing for one, _ in self.ids] == [one in missing_there for _, one in self.ids]

    def drain(self) -> None:
        """To the last one: nothing is stuck."""
        here, there = self.queues[0]
        for _ in range(500):
            messages, messages_there = (queue.dequeue(dict.fromkeys(KINDS, 100), 100) for queue in (here, there))
            assert [alike(one) for one in messages] == [alike(one) for one in messages_there]
            assert (here.ack(messages), there.ack(messages_there)) == ([], [])
            if not messages and all(set(count[:3]) == {0} for count in counts(here).values()):
                return
            self.place.pass_time(timedelta(seconds=5))
        raise AssertionError(f"something is stuck: {here.depth()}")


def counts(queue: Queue) -> dict[str, tuple[int, int, int, int]]:
    """Whether one whose time has come counts as ready before somebody asks for it is a queue's own business, too."""
    found = {kind: (d.ready + d.delayed, d.held, d.leased, d.dead) for kind, d in queue.depth().items()}
    return {kind: count for kind, count in found.items() if any(count)}


def alike(message: Message | DeadLetter) -> str:
    """All but what a queue chooses for itself."""
    if isinstance(message, Message):
        return repr(replace(message, id="", lease=None))
    return repr(replace(message, id=""))


@pytest.mark.parametrize("seed", range(8))
def test_a_queue_is_like_the_one_in_memory(place: QueuePlace, clock: ManualClock, seed: int) -> None:
    with ExitStack() as stack:
        twins = Twins(place, MemoryQueues(clock, stack), random.Random(seed))
        for number in range(STEPS):
            twins.step()
            if number % 5 == 0:
                twins.compare()
        twins.drain()
        twins.compare()
