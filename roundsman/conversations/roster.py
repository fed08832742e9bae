"""The roster: every conversation with its verdict, or only those that are late."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import ConversationReader, ConversationSource
from roundsman.conversations.threads import read_states
from roundsman.conversations.verdict import Judgement, Verdict, judge
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.watch_list import AnsweringClock, WaitingState, WatchListRepository

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RosterEntry:
    """One conversation and how it stands."""

    watched: WatchedConversation
    verdict: Verdict


class Roster:
    """Judges the conversations of a source by the policies. Lists come longest waiting first, then by id."""

    def __init__(self, book: PolicyBook, source: ConversationSource) -> None:
        self._book = book
        self._source = source
        self._rows = WatchListRepository()
        self._syncs = PageSyncRepository()

    def all(self, connection: Connection, at: datetime, *, page: str | None = None) -> list[RosterEntry]:
        """Every conversation, its messages judged as of that moment; or those of one page, by its id or name."""
        reader = self._source.reader(connection)
        syncs = self._syncs.all(connection)
        entries: list[RosterEntry] = []
        for batch in reader.all():
            watched = {each.conversation.conversation_id: each for each in batch if _is_of(each, page)}
            entries += self._judge(watched, read_states(connection, reader, watched, at), syncs, at)
        return self._sorted(entries)

    def due(self, connection: Connection, at: datetime, *, page: str | None = None) -> list[RosterEntry]:
        """The late ones as of any moment; reads everything, since the watch list knows only the present."""
        return [each for each in self.all(connection, at, page=page) if each.verdict.verdict is Judgement.LATE]

    def due_now(self, connection: Connection, now: datetime, *, page: str | None = None) -> list[RosterEntry]:
        """The late ones of the present; reads only those who wait."""
        reader = self._source.reader(connection)
        syncs = self._syncs.all(connection)
        entries: list[RosterEntry] = []
        for rows in self._rows.all(connection):
            found = reader.watched([row.conversation_id for row in rows])
            watched = {name: each for name, each in found.items() if _is_of(each, page)}
            states = {row.conversation_id: row.state for row in rows if row.conversation_id in watched}
            old = [each for each, state in states.items() if state.recheck_at is not None and state.recheck_at <= now]
            states |= read_states(connection, reader, {each: watched[each] for each in old}, now)
            entries += self._judge(watched, states, syncs, now)
        return self._sorted([each for each in entries if each.verdict.verdict is Judgement.LATE])

    def one(
        self, reader: ConversationReader, connection: Connection, conversation_id: str, at: datetime
    ) -> RosterEntry | None:
        """One conversation, or None if the source does not know it."""
        watched = reader.watched([conversation_id])
        found = self._judge(watched, read_states(connection, reader, watched, at), self._syncs.all(connection), at)
        return found[0] if found else None

    def _judge(
        self,
        watched: Mapping[str, WatchedConversation],
        states: Mapping[str, WaitingState],
        syncs: Mapping[str, PageSync],
        at: datetime,
    ) -> list[RosterEntry]:
        return [
            RosterEntry(each, judge(each, states[name], self._book, at, sync=syncs.get(each.conversation.page_id)))
            for name, each in watched.items()
        ]

    def _sorted(self, entries: list[RosterEntry]) -> list[RosterEntry]:
        return sorted(entries, key=lambda each: (self._since(each), each.verdict.conversation_id))

    def _since(self, entry: RosterEntry) -> datetime:
        conversation, verdict = entry.watched.conversation, entry.verdict
        policy = self._book.policy_for(conversation.page_id, conversation.type, conversation.tags)
        human = policy.clock is AnsweringClock.HUMAN
        return (verdict.human_waiting_since if human else verdict.waiting_since) or _NEVER


def _is_of(watched: WatchedConversation, page: str | None) -> bool:
    """Whether it belongs to a page that is told by its id, its name or its user name; None: to any."""
    if page is None:
        return True
    names = (watched.page.page_id, watched.page.name, watched.page.username)
    return page.casefold() in {name.casefold() for name in names if name is not None}
