"""Everything that is known about one conversation, read at one moment: for whoever asks why it is judged as it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from roundsman.conversations.charges import Holding, holdings
from roundsman.conversations.incident import Step, look
from roundsman.conversations.keeper import facts_of
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Policy
from roundsman.conversations.sender import ChatMessage
from roundsman.conversations.source import ConversationSource
from roundsman.conversations.threads import read_threads
from roundsman.conversations.verdict import Verdict, judge
from roundsman.conversations.waiting import waiting_state
from roundsman.monitor.case import KIND
from roundsman.repositories.alert_log import NEWS, AlertLog, LogEntry
from roundsman.repositories.alerts import Alert, AlertRepository
from roundsman.repositories.conversations import WatchedConversation
from roundsman.repositories.observations import Observation, ObservationRepository
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.policy_versions import PolicyVersionRepository
from roundsman.repositories.watch_list import WatchListRepository, WatchRow


@dataclass(frozen=True)
class Findings:
    """What is known of a conversation at `now`."""

    now: datetime
    watched: WatchedConversation
    verdict: Verdict
    policy: Policy
    step: Step
    """What a look at it would lead to at this moment, were its data fresh."""
    thread: Sequence[ChatMessage]
    row: WatchRow | None
    """As it stands in the watch list; None: it is not on it."""
    sync: PageSync | None
    """How fresh its page is; None: its source promises nothing."""
    alerts: Sequence[tuple[Alert, Sequence[LogEntry]]]
    """Every incident that people were told of until `now`, oldest first, with what became of it until then."""
    observations: Sequence[Observation]
    in_force: bool
    """Whether the daemon judges by the policies that were asked for here, as far as can be told."""

    @property
    def conversation_id(self) -> str:
        return self.watched.conversation.conversation_id

    @property
    def told_level(self) -> int:
        """The highest level at which people were told of the present wait."""
        since = self.step.since
        return max(
            (
                entry.level or 0
                for alert, entries in self.alerts
                for entry in entries
                if entry.event in NEWS and since is not None and alert.since_at >= since
            ),
            default=0,
        )

    @property
    def waits(self) -> Sequence[Holding]:
        """Who had it during the present wait."""
        if self.step.since is None:
            return ()
        return list(holdings(self.watched.conversation, self.step.since, max(self.now, self.step.since)))


def look_into(
    connection: Connection, source: ConversationSource, book: PolicyBook, conversation_id: str, now: datetime
) -> Findings | None:
    """Read all about a conversation; None if the source does not know it."""
    reader = source.reader(connection)
    watched = reader.watched([conversation_id]).get(conversation_id)
    if watched is None:
        return None
    thread = read_threads(connection, reader, {conversation_id: watched})[conversation_id]
    state = waiting_state(thread, now)
    row = WatchListRepository().find(connection, [conversation_id]).get(conversation_id)
    sync = PageSyncRepository().find(connection, watched.conversation.page_id)
    conversation = watched.conversation
    policy = book.policy_for(conversation.page_id, conversation.type, conversation.tags)
    facts = facts_of(watched, state)
    alerts = AlertRepository().of_fingerprint(connection, f"{KIND}:{conversation_id}")
    version = PolicyVersionRepository().current(connection)
    return Findings(
        now=now,
        watched=watched,
        verdict=judge(watched, state, book, now, sync=sync),
        policy=policy,
        step=look(row or WatchRow(conversation_id, conversation.page_id), facts, policy, now),
        thread=thread,
        row=row,
        sync=sync,
        alerts=[
            (alert, [entry for entry in AlertLog().of_alert(connection, alert.id) if entry.at <= now])
            for alert in alerts
            if alert.opened_at <= now
        ],
        observations=ObservationRepository().of(connection, conversation_id),
        in_force=version in (None, book.version),
    )
