"""Takes what an SQS queue brings, and sorts it: what is wanted now, what goes back, and what is given up.

SQS hands out whatever it likes, so much of it may not be for now: of another kind, at its limit, too early, or behind
another one of its group. All that goes back when the whole catch has been looked at, or it would be caught again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.errors import QueueError
from roundsman.message import Message, rank
from roundsman.queues.base import worn_out
from roundsman.queues.sqs.client import LONGEST_HIDDEN, SqsClient, SqsPlace
from roundsman.queues.sqs.dead import SqsDeadLetters
from roundsman.queues.sqs.lease import MARGIN, Lease, Leases, Returns
from roundsman.queues.sqs.letter import Letter, read_letter, whole_seconds

_UNWANTED = 100
"""One catch passes over so many that it cannot use."""
_NOW = timedelta(0)

log = logging.getLogger(__name__)


@dataclass
class _Catch:
    room: dict[str, int]
    patient: bool
    messages: list[Message] = field(default_factory=list)
    back: list[tuple[Letter, timedelta]] = field(default_factory=list)
    given_up: list[tuple[Letter, int, str]] = field(default_factory=list)
    groups: set[str | None] = field(default_factory=set)

    def free(self, most: int) -> int:
        return min(most - len(self.messages), sum(self.room.values()))


class SqsReceiver:
    """The way out."""

    def __init__(
        self, client: SqsClient, place: SqsPlace, leases: Leases, dead: SqsDeadLetters, max_deliveries: int | None,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._client, self._place, self._leases, self._dead = client, place, leases, dead
        self._max_deliveries, self._clock = max_deliveries, clock
        self.returns = Returns()

    def receive(self, most: int, wait_seconds: int = 0) -> list[Letter]:
        """What one call brings."""
        raw = self._client.receive(self._place.queue_url, most, hidden=self._leases.seconds, wait=wait_seconds)
        return [read_letter(one) for one in raw]

    def give_back(self, letters: Sequence[Letter]) -> None:
        """Nobody wants them after all."""
        self._put_back([(letter, _NOW) for letter in letters])

    def catch(self, letters: list[Letter], room: dict[str, int], most: int, *, patient: bool) -> list[Message]:
        """Of these, and of what else there is, at most `most` messages.

        A patient receiver would get what it does not want again and again; for it that stays away for a while.
        """
        catch = _Catch(room, patient)
        try:
            while letters:
                for letter in letters:
                    self._sort(letter, catch)
                if catch.free(most) <= 0 or len(catch.back) >= _UNWANTED:
                    break
                letters = self.receive(catch.free(most))
        except QueueError:
            if not catch.messages:
                raise
        finally:
            self._settle(catch)
        return sorted(catch.messages, key=_place_in_queue)

    def _sort(self, letter: Letter, catch: _Catch) -> None:
        if self._place.fifo and letter.sqs_group in catch.groups:
            # One call may bring several of a group; SQS keeps them back as long as the first is under way
            catch.back.append((letter, _NOW))
            return
        catch.groups.add(letter.sqs_group)
        deliveries = self.returns.deliveries(letter)
        due, now, limit = letter.facts.due_at, self._clock.now(), self._max_deliveries
        if letter.fault:
            catch.given_up.append((letter, deliveries, f"it cannot be read: {letter.fault}"))
        elif limit is not None and deliveries > limit:
            catch.given_up.append((letter, deliveries - 1, worn_out(deliveries - 1)))
        elif due is not None and due > now:
            catch.back.append((letter, due - now))
        else:
            self._hand_out(letter, deliveries, catch)

    def _hand_out(self, letter: Letter, deliveries: int, catch: _Catch) -> None:
        facts = letter.facts
        lease: Lease | timedelta = _NOW
        if catch.room.get(facts.kind, 0) > 0:
            lease = self._leases.begin(letter)
        if not isinstance(lease, Lease):
            catch.back.append((letter, max(lease, self.returns.pause(letter)) if catch.patient else _NOW))
            return
        catch.room[facts.kind] -= 1
        catch.messages.append(
            Message(
                facts.id, facts.kind, letter.body, facts.priority, facts.group, deliveries, facts.enqueued_at, lease
            )
        )

    def _settle(self, catch: _Catch) -> None:
        try:
            self._put_back(catch.back)
        except QueueError as error:
            log.warning("What is not for now comes back only in %d s: %s", self._leases.seconds, error)
        if catch.given_up:
            self._give_up(catch.given_up)

    def _give_up(self, given_up: Sequence[tuple[Letter, int, str]]) -> None:
        letters = [letter for letter, *_ in given_up]
        try:
            self._dead.add(given_up)
            self._client.delete(self._place.queue_url, [letter.handle for letter in letters])
        except QueueError as error:
            log.error("%d messages are given up, but lie on for want of a better place: %s", len(letters), error)
            self._leave_aside(letters)
            return
        for letter, _, reason in given_up:
            log.warning(
                "The message %s of the queue %s is a dead letter now: %s", letter.sqs_id, self._place.name, reason
            )

    def _leave_aside(self, letters: Sequence[Letter]) -> None:
        """As long as SQS does it: they must not come round every few seconds."""
        try:
            self._put_back([(letter, LONGEST_HIDDEN) for letter in letters])
        except QueueError as error:
            log.warning("They come back in %d s: %s", self._leases.seconds, error)

    def _put_back(self, back: Sequence[tuple[Letter, timedelta]]) -> None:
        self.returns.add([letter for letter, _ in back])
        spans = [whole_seconds(min(pause, LONGEST_HIDDEN - MARGIN)) for _, pause in back]
        handles = [letter.handle for letter, _ in back]
        self._client.hide(self._place.queue_url, list(zip(handles, spans, strict=True)))


def _place_in_queue(message: Message) -> int:
    facts = message.lease.letter.facts
    return rank(facts.priority, facts.due_at or facts.enqueued_at)
