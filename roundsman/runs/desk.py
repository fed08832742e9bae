"""Where runs are submitted and people decide about them; for the command line, jobs and whoever else has a store.

Needs no engine and no daemon: what is decided here is in the store when the method returns, and whoever drives runs
hears of it. Where an engine drives runs in this very process, it is asked to store what has nothing to wait for.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from roundsman.clock import Clock
from roundsman.errors import BadInputError, QueueError
from roundsman.fsm.registry import WorkflowRegistry
from roundsman.fsm.workflow import Workflow
from roundsman.message import Draft, Priority
from roundsman.repositories.engine import Store
from roundsman.repositories.rows import JsonText
from roundsman.repositories.runs import NewRun, Run, RunRepository
from roundsman.runs.inbox import Inbox
from roundsman.runs.run_queue import RunQueue
from roundsman.runs.submission import JudgedOrder, Submission

LARGEST_INPUT = 1024 * 1024
"""Bytes of JSON: larger things belong into a file or an object store, and their place into the input."""

LONGEST_LABEL = 128
"""Characters of a group, a dedup key or a correlation id; SQS allows no more."""

LONGEST_DELAY = timedelta(days=3660)

DEDUP_WINDOW = timedelta(minutes=5)

_encode = json.JSONEncoder(allow_nan=False).encode


@dataclass(frozen=True)
class Order:
    """What somebody wants to be run."""

    workflow: str
    input: Mapping[str, Any]
    priority: int = Priority.NORMAL
    delay: timedelta = timedelta(0)
    group: str | None = None
    dedup: str | None = None
    correlation_id: str | None = None
    """None: one is made up."""


@dataclass(frozen=True)
class Submitted:
    """What became of an order."""

    run_id: int
    duplicate: bool = False
    """An earlier run with the same dedup key is meant, nothing was stored."""
    unsent: str | None = None
    """Why its message is not in the queue yet; it is sent as soon as the queue can be reached."""


class RunDesk:
    """Submits runs. `workflows` are built with their parts, to judge the input; `inbox` is that of an engine."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        queue: RunQueue,
        registry: WorkflowRegistry,
        workflows: Mapping[str, Workflow],
        inbox: Inbox | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._queue = queue
        self._registry = registry
        self._workflows = workflows
        self._inbox = inbox
        self._runs = RunRepository()

    def submit(self, order: Order) -> Submitted:
        """Store a run and its message. Raises BadInputError (nothing is stored) and StoreError."""
        return self.submit_all([order])[0]

    def submit_all(self, orders: Sequence[Order]) -> list[Submitted]:
        """Store all these runs, or none: BadInputError names the first order that is wrong. Raises StoreError."""
        judged = [self._judge(order) for order in orders]
        self._queue.judge([each.draft for each in judged])
        if self._inbox is not None and judged and all(each.is_plain for each in judged):
            submission = Submission(judged)
            if self._inbox.offer(submission) and (stored := submission.wait()) is not None:
                return [Submitted(run_id) for run_id in stored]
        return self._store_all(judged)

    def _store_all(self, orders: Sequence[JudgedOrder]) -> list[Submitted]:
        """In a transaction of its own."""
        now = self._clock.now()
        answers: list[Submitted] = []
        new: list[tuple[NewRun, Draft]] = []
        with self._store.write() as connection:
            numbers = iter(self._runs.numbers(connection, len(orders)))
            seen: dict[tuple[str, str], int] = {}
            self._runs.lock_dedup(connection, [(o.facts.name, o.dedup) for o in orders if o.dedup is not None])
            for order in orders:
                if order.dedup is not None:
                    key = (order.facts.name, order.dedup)
                    earlier = seen.get(key) or self._runs.duplicate_of(connection, *key, now - DEDUP_WINDOW)
                    if earlier is not None:
                        answers.append(Submitted(earlier, duplicate=True))
                        continue
                run = order.numbered(next(numbers), now)
                if order.dedup is not None:
                    seen[order.facts.name, order.dedup] = run.id
                new.append((run, order.draft))
                answers.append(Submitted(run.id))
            sent = self._queue.enqueue(connection, [draft for _, draft in new], now)
            self._runs.insert(connection, [run for run, _ in new], sent, now)
        unsent = self._hand_over([run.id for run, _ in new], [draft for _, draft in new])
        return answers if unsent is None else [Submitted(a.run_id, a.duplicate, unsent) for a in answers]

    def _judge(self, order: Order) -> JudgedOrder:
        facts = self._registry.find(order.workflow)
        for name, label in (("group", order.group), ("dedup", order.dedup), ("correlation_id", order.correlation_id)):
            _judge_label(name, label)
        if not timedelta(0) <= order.delay <= LONGEST_DELAY:
            raise BadInputError(f"delay: is {order.delay}; give one from 0 to {LONGEST_DELAY.days} days.")
        written = judge_input(order.input)
        self._workflows[order.workflow].check(order.input)
        body: dict[str, int] = {}
        draft = Draft(facts.name, body, order.priority, order.delay, order.group)
        return JudgedOrder(facts, written, draft, body, order.dedup, order.correlation_id or secrets.token_hex(8))

    def _hand_over(self, run_ids: Sequence[int], drafts: Sequence[Draft]) -> str | None:
        """Why the messages could not be sent, or None."""
        if not drafts:
            return None
        try:
            hand_over(self._store, self._queue, run_ids, drafts)
        except (QueueError, BadInputError) as error:  # the latter in words of the service's own; the runs are stored
            return str(error)
        return None


def hand_over(store: Store, queue: RunQueue, run_ids: Sequence[int], drafts: Sequence[Draft]) -> None:
    """After the commit of these runs: bring their messages to a queue elsewhere, and remember them.

    Raises QueueError, BadInputError and StoreError; the reconciler then sends what is missing.
    """
    ids = queue.hand_over(drafts)
    if ids:
        with store.write() as connection:
            RunRepository().sent(connection, dict(zip(run_ids, ids, strict=True)))


def judge_input(data: object) -> JsonText:
    """An input as it will be stored. Raises BadInputError for what cannot be the input of any run."""
    if not isinstance(data, Mapping):
        raise BadInputError('input: is no JSON object; write one in braces, such as {"note": "hello"}.')
    return judge_json("input", data)


def judge_json(name: str, value: object) -> JsonText:
    """A value as it will be stored. Raises BadInputError for what cannot be stored as JSON, or is too large."""
    try:
        written = JsonText(_encode(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInputError(f"{name}: cannot be stored as JSON ({error}).") from None
    if len(written) > LARGEST_INPUT:
        raise BadInputError(
            f"{name}: is {len(written)} bytes long and {LARGEST_INPUT} are allowed; put what is large into a file and "
            "give its place."
        )
    return written


def _judge_label(name: str, label: str | None) -> None:
    """It comes to stand in headers, log fields and other queues' keys."""
    if label is None:
        return
    if not label.strip() or not label.isprintable():
        raise BadInputError(f"{name}: {label!a} is blank or has control characters; give a short name.")
    if len(label) > LONGEST_LABEL:
        raise BadInputError(f"{name}: is {len(label)} characters long and {LONGEST_LABEL} are allowed.")


def message_for(workflow: str, run_id: int, priority: int, group: str | None, delay: timedelta) -> Draft:
    """The message that brings a run to whoever drives it."""
    return Draft(workflow, {"run": run_id}, priority, delay, group)


def message_of(run: Run, now: datetime) -> Draft:
    """The same for a run that is stored, due when it is."""
    delay = max(run.not_before - now, timedelta(0)) if run.not_before is not None else timedelta(0)
    return message_for(run.workflow, run.id, run.priority, run.group_key, delay)
