"""Keeps the watch list true to what is known: every change of a conversation passes here, in its own transaction.

A row is derived from the stored messages anew each time, never from the news itself. So news may come twice, late and
in any order, and the row is the same.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection

from roundsman.conversations.incident import Facts, next_look
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import ConversationReader
from roundsman.conversations.threads import read_states
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.observations import Observation, ObservationRepository
from roundsman.repositories.policy_versions import PolicyVersionRepository
from roundsman.repositories.watch_list import WaitingState, WatchListRepository, WatchRow


class WatchKeeper:
    """Writes rows of the watch list, and what was observed."""

    def __init__(self, book: PolicyBook) -> None:
        self._book = book
        self._rows = WatchListRepository()
        self._observations = ObservationRepository()
        self._versions = PolicyVersionRepository()

    def replace(self, book: PolicyBook) -> None:
        """From now on these policies are in force (settings were reloaded)."""
        self._book = book

    def refresh(
        self, connection: Connection, reader: ConversationReader, conversation_ids: Collection[str], now: datetime
    ) -> None:
        """Derive the rows of these conversations anew; the caller holds their locks."""
        ids = sorted(conversation_ids)
        watched = reader.watched(ids)
        self.put(connection, watched, read_states(connection, reader, watched, now), now)

    def put(
        self,
        connection: Connection,
        watched: Mapping[str, WatchedConversation],
        states: Mapping[str, WaitingState],
        now: datetime,
    ) -> None:
        """The same for states that were derived already."""
        known = self._rows.find(connection, states.keys())
        # Rows of a command whose settings are not the daemon's: the monitor is to judge them by its own
        is_strange = self._versions.current(connection) not in (None, self._book.version)
        rows: list[WatchRow] = []
        over: list[str] = []
        seen: list[Observation] = []
        for conversation_id, state in states.items():
            before = known.get(conversation_id)
            if before is None and state.is_idle:
                continue
            facts = facts_of(watched[conversation_id], state)
            policy = self._book.policy_for(facts.page.page_id, facts.type, facts.tags)
            row = before or WatchRow(conversation_id, facts.page.page_id)
            after = next_look(row, facts, policy, now)
            if is_strange:
                after = after._replace(due_at=now)
            after, news = noted(watched[conversation_id], after, now)
            seen += news
            if after.state.is_idle and after.incident_since is None:
                over.append(conversation_id)
            elif after != before:
                rows.append(after)
        self._rows.put(connection, rows)
        self._rows.remove(connection, over)
        self._observations.add(connection, seen)

    def snooze(
        self,
        connection: Connection,
        watched: WatchedConversation,
        until: datetime | None,
        *,
        by: str,
        now: datetime,
    ) -> WatchRow | None:
        """Put a wait off until a moment, or no longer; the caller holds its lock. None: nobody waits."""
        conversation_id = watched.conversation.conversation_id
        row = self._rows.find(connection, [conversation_id]).get(conversation_id)
        if row is None or row.state.is_idle:
            return None
        facts = facts_of(watched, row.state)
        policy = self._book.policy_for(facts.page.page_id, facts.type, facts.tags)
        if row.state.since(policy.clock) is None:
            return None
        put_off = row._replace(snoozed_until=until, snoozed_by=None if until is None else by)
        after, news = noted(watched, next_look(put_off, facts, policy, now), now)
        self._rows.put(connection, [after])
        self._observations.add(connection, news)
        return after

    def look_at_pages(self, connection: Connection, page_ids: Collection[str], now: datetime) -> None:
        """What waits on these pages is to be judged anew: the pages have changed."""
        self._rows.look_at_pages(connection, page_ids, now)


def facts_of(watched: WatchedConversation, state: WaitingState) -> Facts:
    """What judgements need of a conversation."""
    return Facts(watched.page, watched.conversation.type, watched.conversation.tags, state, watched.is_set_up)


def noted(watched: WatchedConversation, row: WatchRow, now: datetime) -> tuple[WatchRow, list[Observation]]:
    """What is known from now on, if that is news, and the row that remembers it."""
    seen = _observation(watched, row, now)
    digest = seen.digest
    return (row, []) if digest == row.observed else (row._replace(observed=digest), [seen])


def _observation(watched: WatchedConversation, row: WatchRow, now: datetime) -> Observation:
    conversation = watched.conversation
    return Observation(
        row.conversation_id,
        row.page_id,
        now,
        conversation.type,
        watched.page.is_synced and watched.is_set_up,
        conversation.tags,
        tuple(each.id for each in conversation.assignees),
        *row.state,
        row.snoozed_until,
    )
