"""Puts drafts into an SQS queue: what it can do for them, and what it cannot."""

import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta

from roundsman.clock import Clock
from roundsman.errors import BadInputError, QueueError
from roundsman.message import Draft, Entered
from roundsman.queues.sqs.client import Entry, SqsClient, SqsPlace, size_of
from roundsman.queues.sqs.duplicates import Duplicates
from roundsman.queues.sqs.letter import Facts, dedup_key, new_entry
from roundsman.queues.sqs.traits import Traits

ALWAYS_FITS = 1024
"""Bytes of a message: the least that a MaximumMessageSize can be."""
LONGEST_DELAY = timedelta(minutes=15)
"""Of a message, by SQS itself. The rest of a longer one is waited for by putting it back when it comes."""


class SqsSender:
    """The way in."""

    def __init__(
        self, client: SqsClient, place: SqsPlace, traits: Callable[[], Traits], duplicates: Duplicates, clock: Clock
    ) -> None:
        self._client, self._place, self._traits = client, place, traits
        self._duplicates, self._clock = duplicates, clock

    def judge(self, drafts: Sequence[Draft]) -> None:
        """See the port. SQS is asked only about what is large or long delayed."""
        doubtful = [(draft, size) for draft in drafts if (size := self._size(draft)) > ALWAYS_FITS or _is_long(draft)]
        if not doubtful:
            return
        try:
            traits = self._traits()
        except QueueError:
            return
        for draft, size in doubtful:
            self._judge_by(traits, draft, size)

    def enqueue(self, drafts: Sequence[Draft]) -> list[Entered]:
        """When one of them is impossible, BadInputError comes first; when the service fails, some may be in."""
        self.judge(drafts)
        entered: list[Entered] = []
        new: list[Draft] = []
        entries: list[Entry] = []
        for draft in drafts:
            new_id, key = str(uuid.uuid4()), dedup_key(draft)
            first = self._duplicates.first(key, new_id) if key else new_id
            entered.append(Entered(first, duplicate=first != new_id))
            if first == new_id:
                new.append(draft)
                entries.append(self._entry(draft, new_id))
        try:
            self._send(new, entries)
        except (BadInputError, QueueError):
            self._duplicates.forget(one.id for one in entered if not one.duplicate)
            raise
        return entered

    def _send(self, drafts: Sequence[Draft], entries: Sequence[Entry]) -> None:
        refused = self._client.send(self._place.queue_url, entries)
        if refused:
            first, words = min(refused.items())
            raise BadInputError(f"{self._of(drafts[first])} was refused: {words}")

    def _size(self, draft: Draft) -> int:
        """In bytes. Raises BadInputError for what no queue of this sort takes."""
        for what, value in (("group", draft.group), ("dedup key", draft.dedup)):
            if value is not None and not self._place.fifo:
                raise BadInputError(
                    f"{self._of(draft)} has the {what} {value!r}, which needs a FIFO queue: use one "
                    f"(SQS_QUEUE_URL then ends in .fifo), or leave the {what} out."
                )
        now = self._clock.now()
        facts = Facts(str(uuid.UUID(int=0)), draft.kind, draft.priority, draft.group, now, now)
        try:
            return size_of(new_entry(draft, facts, fifo=False, delay=timedelta(0)))
        except (TypeError, ValueError) as error:
            raise BadInputError(f"{self._of(draft)} cannot be written as JSON ({error}).") from None

    def _judge_by(self, traits: Traits, draft: Draft, size: int) -> None:
        if _is_long(draft) and draft.delay >= traits.retention:
            raise BadInputError(
                f"{self._of(draft)} has a delay of {draft.delay}, but the queue keeps nothing longer than "
                f"{traits.retention}: choose a shorter delay, or raise its MessageRetentionPeriod (to 14 days at most)."
            )
        if traits.largest is not None and size > traits.largest:
            raise BadInputError(
                f"{self._of(draft)} has {size} bytes, but the queue takes {traits.largest}: put what is large "
                "elsewhere and give its place, or raise its MaximumMessageSize."
            )

    def _of(self, draft: Draft) -> str:
        return f"A message of the kind {draft.kind!r} for the queue {self._place.name} of SQS"

    def _entry(self, draft: Draft, new_id: str) -> Entry:
        now, fifo = self._clock.now(), self._place.fifo
        by_sqs = timedelta(0) if fifo else min(draft.delay, LONGEST_DELAY)
        due = now + draft.delay if draft.delay > by_sqs else None
        facts = Facts(new_id, draft.kind, draft.priority, draft.group, now, due)
        # where SQS looks for duplicates within groups only, those of one key need the same one, and wait for each other
        key = dedup_key(draft)
        alone = key if key and self._traits().duplicates_by_group else new_id
        return new_entry(draft, facts, fifo=fifo, delay=by_sqs, alone=alone)


def _is_long(draft: Draft) -> bool:
    return draft.delay > LONGEST_DELAY
