"""What is submitted, on its way from the desk into the store: judged orders, and sets of them that the engine stores.

Where an engine drives runs in the process of whoever submits, its thread stores them with whatever else it commits, so
that several submitters share a commit, and takes them in the same moment. See `roundsman.runs.admission`.
"""

import queue
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from roundsman.errors import StoreError
from roundsman.fsm.registry import WorkflowFacts
from roundsman.message import Draft
from roundsman.repositories.rows import JsonText
from roundsman.repositories.runs import NewRun


@dataclass(frozen=True, slots=True)
class JudgedOrder:
    """An order that can be stored as it is."""

    facts: WorkflowFacts
    input: JsonText
    draft: Draft
    """Its message, which lacks nothing but the number of the run."""
    body: dict[str, int]
    """The body of that message."""
    dedup: str | None
    correlation_id: str

    @property
    def is_plain(self) -> bool:
        """Whether nothing but room decides when it may begin."""
        draft, facts = self.draft, self.facts
        held_back = draft.group is not None or draft.delay or self.dedup is not None
        return not held_back and facts.concurrency is None and facts.rate is None

    def numbered(self, number: int, now: datetime) -> NewRun:
        """The run with this number. From now on the message names it."""
        self.body["run"] = number
        facts, draft = self.facts, self.draft
        return NewRun(
            id=number,
            workflow=facts.name,
            state=facts.machine.initial,
            input=self.input,
            priority=draft.priority,
            group_key=draft.group,
            dedup_key=self.dedup,
            correlation_id=self.correlation_id,
            keep_s=None if facts.kept_for is None else int(facts.kept_for / timedelta(seconds=1)),
            not_before=now + draft.delay if draft.delay else None,
        )


class Submission:
    """Plain orders that the engine is asked to store. Made by the thread that waits for its answer."""

    def __init__(self, orders: Sequence[JudgedOrder]) -> None:
        self.orders = orders
        self._answer: queue.SimpleQueue[Sequence[int] | str | None] = queue.SimpleQueue()

    def stored(self, run_ids: Sequence[int]) -> None:
        """They are committed under these numbers."""
        self._answer.put(run_ids)

    def failed(self, error: StoreError) -> None:
        """The store did not take them, and nothing of them is in it."""
        self._answer.put(str(error))

    def decline(self) -> None:
        """The engine will not do it, and has done nothing: whoever asked does it himself."""
        self._answer.put(None)

    def wait(self) -> Sequence[int] | None:
        """The runs in the order of their orders; None when it was declined. Raises StoreError."""
        answer = self._answer.get()
        if isinstance(answer, str):
            raise StoreError(answer)
        return answer
