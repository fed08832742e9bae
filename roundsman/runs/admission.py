"""How the engine stores what is submitted in its own process: in its next commit, and taken at once if there is room.

A run and its message are then born as if they had been claimed, so that the first step begins right after the commit
that makes them. This is what a claim in the same transaction would have come to: it is done only when nothing waits in
the queue, and the most urgent ones get the room. What finds none enters the queue as usual.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from roundsman.message import Draft, Message
from roundsman.repositories.run_claims import ClaimedRun, RunClaims
from roundsman.repositories.runs import NewRun, RunRepository
from roundsman.runs.run_queue import Entrance, RunQueue
from roundsman.runs.submission import JudgedOrder, Submission


@dataclass
class Admitted:
    """What a transaction has made of submissions."""

    answers: list[tuple[Submission, Sequence[int]]] = field(default_factory=list)
    begun: list[tuple[ClaimedRun, Message]] = field(default_factory=list)
    """Those that are ours already, the most urgent first."""
    queued: list[Draft] = field(default_factory=list)
    """Messages of the others."""

    def answer(self) -> None:
        """Tell those who submitted, after the commit."""
        for submission, run_ids in self.answers:
            submission.stored(run_ids)


def admit(
    connection: Connection,
    submissions: Sequence[Submission],
    claims: RunClaims,
    queue: RunQueue,
    room: int,
    now: datetime,
) -> Admitted:
    """Store them all, and take as many as there is room for. Raises StoreError."""
    admitted = Admitted()
    orders = [order for submission in submissions for order in submission.orders]
    if not orders:
        return admitted
    runs = RunRepository()
    numbers = runs.numbers(connection, len(orders))
    new = [(order, order.numbered(number, now)) for order, number in zip(orders, numbers, strict=True)]
    rest = iter(numbers)
    admitted.answers = [(each, [next(rest) for _ in each.orders]) for each in submissions]
    new.sort(key=_urgency)  # stable: equally urgent ones in the order of their numbers
    if queue.entrance is not None:
        admitted.begun = _take(connection, new[:room], claims, queue.entrance, now)
    late = new[len(admitted.begun) :]
    admitted.queued = [order.draft for order, _ in late]
    if admitted.queued:
        sent = queue.enqueue(connection, admitted.queued, now)
        runs.insert(connection, [run for _, run in late], sent, now)
    return admitted


def _urgency(new: tuple[JudgedOrder, NewRun]) -> int:
    return -new[0].draft.priority


def _take(
    connection: Connection,
    new: Sequence[tuple[JudgedOrder, NewRun]],
    claims: RunClaims,
    entrance: Entrance,
    now: datetime,
) -> list[tuple[ClaimedRun, Message]]:
    if not new:
        return []
    messages = entrance.enter_taken(connection, [order.draft for order, _ in new], now)
    claimed = claims.insert(connection, [run for _, run in new], [message.id for message in messages], now)
    return list(zip(claimed, messages, strict=True))
