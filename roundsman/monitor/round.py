"""One look at the conversations that are due: asked for once more, read, and then written in one short transaction.

Nothing outside is waited for within that transaction: SQLite has one writer at a time, and a MongoDB may be slow. What
was read may be old by then; so whatever has changed on the watch list since is left to the next round.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from roundsman.alerts.book import AlertDesk
from roundsman.alerts.condition import Escalated, Fired, Resolved
from roundsman.conversations.incident import Step, look
from roundsman.conversations.keeper import facts_of, noted
from roundsman.conversations.policies.policy import Plan, Policy
from roundsman.conversations.sender import ChatMessage
from roundsman.conversations.threads import read_threads
from roundsman.conversations.waiting import waiting_state
from roundsman.monitor.case import KIND, Case, condition, escalation, resolution
from roundsman.monitor.parts import MonitorParts
from roundsman.repositories.alerts import Resolution
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.held_looks import HeldLook, HeldLookRepository
from roundsman.repositories.observations import Observation, ObservationRepository
from roundsman.repositories.page_syncs import PageSyncRepository
from roundsman.repositories.watch_list import WaitingState, WatchListRepository, WatchRow
from roundsman.scheduling.job import JobContext

_GONE = Resolution("the conversation no longer exists")


@dataclass(frozen=True)
class Done:
    """What came of a batch."""

    checked: int = 0
    opened: int = 0
    escalated: int = 0
    resolved: int = 0
    held: int = 0
    """Were to be told of, but their newest messages could not be had."""


class _Asked(NamedTuple):
    """What the outside has told, right before people are."""

    certain_until: Mapping[str, datetime | None]
    """How far our knowledge reaches of those that were not read again: to their page's watermark. An answer of later
    may be on its way to us, so only what happened before can be held against anybody."""
    failed: Set[str]
    """They were to be read again, and could not be."""


class _Seen(NamedTuple):
    """What the source says, beside the rows as they stood before it was asked."""

    rows: Mapping[str, WatchRow]
    watched: Mapping[str, WatchedConversation]
    threads: Mapping[str, Sequence[ChatMessage]]


class Round:
    """Looks at rows."""

    def __init__(self, parts: MonitorParts) -> None:
        self._parts = parts
        self._rows = WatchListRepository()
        self._observations = ObservationRepository()
        self._held = HeldLookRepository()

    def walk(self, ctx: JobContext, batch: Sequence[WatchRow], unsure: Collection[str], now: datetime) -> Done:
        """Look at these rows. Of conversations on `unsure` pages nothing is told but ends."""
        asked = self._reread(ctx, [row for row in batch if row.page_id not in unsure], now)
        seen = self._read([row.conversation_id for row in batch])
        with self._parts.alerts.transaction(self._parts.job) as desk:
            return self._write(desk, seen, asked, unsure, now)

    # --- before ---

    def _reread(self, ctx: JobContext, rows: Sequence[WatchRow], now: datetime) -> _Asked:
        """Asks for the newest messages of whatever would be told."""
        with self._parts.store.read() as connection:
            syncs = PageSyncRepository().all(connection)
            if not syncs:
                return _Asked({}, frozenset())  # nothing outside knows more than we do
            watched = self._parts.source.reader(connection).watched([row.conversation_id for row in rows])
        certain = {row.conversation_id: syncs[row.page_id].fresh_at for row in rows if row.page_id in syncs}
        would_tell = [
            watched[row.conversation_id]
            for row in rows
            if row.conversation_id in certain
            and row.conversation_id in watched
            and self._look(row, watched[row.conversation_id], row.state, now).told
        ]
        if not would_tell:
            return _Asked(certain, frozenset())
        found = self._parts.source.reread(would_tell, now, ctx.stop)
        for conversation_id, reason in found.failed.items():
            ctx.log.warning("Conversation %s could not be read again before an alert: %s", conversation_id, reason)
        return _Asked({each: until for each, until in certain.items() if each not in found.read}, found.failed.keys())

    def _read(self, batch: Sequence[str]) -> _Seen:
        with self._parts.store.read() as connection:
            rows = self._rows.find(connection, batch)  # first: what the source says is never older than these
            reader = self._parts.source.reader(connection)
            watched = reader.watched(rows.keys())
            return _Seen(rows, watched, read_threads(connection, reader, watched))

    # --- then ---

    def _write(self, desk: AlertDesk, seen: _Seen, asked: _Asked, unsure: Collection[str], now: datetime) -> Done:
        self._parts.source.reader(desk.connection).lock(seen.rows.keys())
        present = self._rows.find(desk.connection, seen.rows.keys())
        rows = {name: row for name, row in seen.rows.items() if present.get(name) == row}
        watched = {name: seen.watched[name] for name in rows if name in seen.watched}
        cases: list[Case] = []
        held: list[HeldLook] = []
        for conversation_id, each in watched.items():
            row, thread = rows[conversation_id], seen.threads[conversation_id]
            until = asked.certain_until.get(conversation_id, now)
            may_tell = until is not None and row.page_id not in unsure
            state = waiting_state(thread, now)
            step = self._look(row, each, state, now, may_tell=may_tell, certain_until=until)
            cases.append(Case(each, self._policy(each), step, thread, row.incident_since))
            is_unsure = row.page_id not in unsure and _lies_behind(step.plan, until, now)
            if is_unsure and self._look(row, each, state, now).told != step.told:
                held.append(HeldLook(conversation_id, now, until))
        gone = rows.keys() - watched.keys()
        self._store_rows(desk.connection, rows, cases, gone, now)
        self._held.add(desk.connection, held)
        # First the ends: a customer who was answered and is late again has both, under one fingerprint
        endings = {case.fingerprint: resolution(case, self._parts.policies, now) for case in cases if case.step.ended}
        ended = desk.resolve_all(endings | {f"{KIND}:{conversation_id}": _GONE for conversation_id in gone})
        opened, raised = self._tell(desk, {case.fingerprint: case for case in cases if case.step.told}, now)
        return Done(
            checked=len(rows),
            opened=opened,
            escalated=raised,
            resolved=sum(each is Resolved.RESOLVED for each in ended.values()),
            held=len(asked.failed - {case.step.row.conversation_id for case in cases if case.step.told}),
        )

    def _tell(self, desk: AlertDesk, told: Mapping[str, Case], now: datetime) -> tuple[int, int]:
        """Open alerts and raise those that are open; returns how many of each.

        What is open is asked of the alerts themselves: somebody may have ended one by hand while its customer went on
        waiting, and a watch list that was derived anew knows nothing of those that were opened before.
        """
        fired = desk.fire_all([condition(case, self._parts.policies, now) for case in told.values()])
        open_before = [told[each] for each, answer in fired.items() if answer is Fired.STILL_OPEN]
        raised = desk.escalate_all([escalation(case, self._parts.policies, now) for case in open_before])
        return (
            sum(each is Fired.OPENED for each in fired.values()),
            sum(each is Escalated.RAISED for each in raised.values()),
        )

    def _store_rows(
        self,
        connection: Connection,
        rows: Mapping[str, WatchRow],
        cases: Sequence[Case],
        gone: Collection[str],
        now: datetime,
    ) -> None:
        over: list[str] = []
        changed: list[WatchRow] = []
        news: list[Observation] = []
        for case in cases:
            row, seen = noted(case.watched, case.step.row, now)
            news += seen
            if case.step.is_over:
                over.append(row.conversation_id)
            elif row != rows[row.conversation_id]:
                changed.append(row)
        self._rows.remove(connection, [*gone, *over])
        self._rows.put(connection, changed)
        self._observations.add(connection, news)

    def _look(
        self,
        row: WatchRow,
        watched: WatchedConversation,
        state: WaitingState,
        now: datetime,
        *,
        may_tell: bool = True,
        certain_until: datetime | None = None,
    ) -> Step:
        facts = facts_of(watched, state)
        return look(row, facts, self._policy(watched), now, may_tell=may_tell, certain_until=certain_until)

    def _policy(self, watched: WatchedConversation) -> Policy:
        conversation = watched.conversation
        return self._parts.policies.policy_for(conversation.page_id, conversation.type, conversation.tags)


def _lies_behind(plan: Plan | None, certain_until: datetime | None, now: datetime) -> bool:
    """Whether a moment of the wait has passed of which it is not sure that nobody had answered by then."""
    if plan is None:
        return False
    moments = [at for _, at in plan.levels] + ([plan.warn_at] if plan.warn_at is not None else [])
    return any(at < now and (certain_until is None or certain_until <= at) for at in moments)
