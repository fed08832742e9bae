"""The roster: every conversation with its verdict, or only those that are late."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from roundsman.conversations.policy import WaitingPolicy
from roundsman.conversations.threads import read_threads
from roundsman.conversations.verdict import Judgement, Verdict, judge
from roundsman.conversations.waiting import waiting_state
from roundsman.repositories.conversations import AnsweringClock, ConversationRepository, WatchedConversation
from roundsman.repositories.versions import chunks

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RosterEntry:
    """One conversation and how it stands."""

    watched: WatchedConversation
    verdict: Verdict


class Roster:
    """Judges stored conversations by one policy. Lists come longest waiting first, then by id."""

    def __init__(self, policy: WaitingPolicy, repository: ConversationRepository | None = None) -> None:
        self._policy = policy
        self._repository = repository or ConversationRepository()

    def all(self, connection: Connection, at: datetime) -> list[RosterEntry]:
        """Every conversation, its messages judged as of that moment."""
        entries: list[RosterEntry] = []
        for batch in self._repository.all(connection):
            entries += self._judge(connection, {each.conversation.conversation_id: each for each in batch}, at)
        return self._sorted(entries)

    def due(self, connection: Connection, at: datetime) -> list[RosterEntry]:
        """The late ones as of any moment; reads everything, since the derived columns know only the present."""
        return [each for each in self.all(connection, at) if each.verdict.verdict is Judgement.LATE]

    def due_now(self, connection: Connection, now: datetime) -> list[RosterEntry]:
        """The late ones of the present; reads only what the index says may be late."""
        candidates = self._repository.candidates(connection, self._policy.clock, now - self._policy.threshold, now)
        entries: list[RosterEntry] = []
        for chunk in chunks(candidates):
            entries += self._judge(connection, self._repository.watched(connection, chunk), now)
        return self._sorted([each for each in entries if each.verdict.verdict is Judgement.LATE])

    def _judge(
        self, connection: Connection, watched: Mapping[str, WatchedConversation], at: datetime
    ) -> list[RosterEntry]:
        threads = read_threads(self._repository, connection, watched)
        return [
            RosterEntry(each, judge(each, waiting_state(threads[conversation_id], at), self._policy, at))
            for conversation_id, each in watched.items()
        ]

    def _sorted(self, entries: list[RosterEntry]) -> list[RosterEntry]:
        return sorted(entries, key=lambda each: (self._since(each.verdict), each.verdict.conversation_id))

    def _since(self, verdict: Verdict) -> datetime:
        human = self._policy.clock is AnsweringClock.HUMAN
        return (verdict.human_waiting_since if human else verdict.waiting_since) or _NEVER
