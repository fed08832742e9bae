"""Who has waited too long? One alert for each incident, and its end when somebody has answered.

An incident is one wait: it begins with the first customer message since the last answer and ends with an answer. Its
state is the open alert in the store, so a restart repeats nothing, and a customer who was answered and waits again
is a new incident.

What a round costs follows what is due: an index names the conversations that may be late, and those with an open
alert are looked at beside them. Only these are read, in batches of bounded size, and whatever follows for a batch
(derived columns, alerts, their notifications) is one transaction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from roundsman.alerts.book import AlertBook, AlertDesk, Condition, Fired, Resolved
from roundsman.clock import iso
from roundsman.conversations.platform import deep_link, platform_of
from roundsman.conversations.policy import WaitingPolicy
from roundsman.conversations.sender import ChatMessage, Sender
from roundsman.conversations.threads import changed_states, read_threads
from roundsman.conversations.verdict import Judgement, Verdict, judge
from roundsman.conversations.waiting import first_answer, waiting_state
from roundsman.repositories.alerts import Alert, AlertRepository, Resolution, Severity
from roundsman.repositories.conversations import ConversationRepository, WatchedConversation
from roundsman.repositories.engine import Store
from roundsman.repositories.versions import chunks
from roundsman.scheduling.job import CatchUp, Job, JobContext, Outcome

KIND = "conversation_unreplied"
"""The name of the event in the original system; people have rules on it."""

_DIGITS_OF_A_PHONE_NUMBER = 7


@dataclass(frozen=True)
class _Case:
    """One conversation of a batch."""

    watched: WatchedConversation
    verdict: Verdict
    thread: Sequence[ChatMessage]


@dataclass
class _Findings:
    """What a batch leads to."""

    conditions: list[Condition] = field(default_factory=list)
    resolutions: dict[str, Resolution] = field(default_factory=dict)
    late: int = 0


class ConversationMonitor(Job):
    """Alerts about conversations whose customer has waited longer than the policy allows."""

    name = "conversation_monitor"
    schedule = "every 30s"
    timeout = timedelta(minutes=5)
    run_at_start = True
    catch_up = CatchUp.ONCE

    def __init__(self, store: Store, alerts: AlertBook, policy: WaitingPolicy) -> None:
        self._store = store
        self._alerts = alerts
        self._policy = policy
        self._conversations = ConversationRepository()

    def run(self, ctx: JobContext) -> Outcome:
        now = ctx.clock.now()
        with self._store.read() as connection:
            candidates = self._conversations.candidates(
                connection, self._policy.clock, now - self._policy.threshold, now
            )
            open_alerts = {alert.subject: alert for alert in AlertRepository().open_of_kind(connection, KIND)}
        counters = Counter(checked=0, late=0, opened=0, resolved=0)
        for batch in chunks(list(dict.fromkeys([*candidates, *open_alerts]))):
            ctx.stop.check()
            with self._alerts.transaction(self.name) as desk:
                done = self._round(desk, batch, open_alerts, now)
            counters.update(done)
        if counters["opened"] or counters["resolved"]:
            ctx.log.info(
                "%d late, %d alerts opened, %d resolved", counters["late"], counters["opened"], counters["resolved"]
            )
        return Outcome.done(**counters)

    def _round(
        self, desk: AlertDesk, batch: Sequence[str], open_alerts: Mapping[str, Alert], now: datetime
    ) -> dict[str, int]:
        """One batch in one transaction."""
        cases = self._cases(desk.connection, batch, open_alerts, now)
        findings = _Findings()
        for conversation_id in batch:
            self._find(findings, conversation_id, cases.get(conversation_id), open_alerts.get(conversation_id), now)
        # First the ends: a customer who was answered and is late again has both, under one fingerprint.
        ended = desk.resolve_all(findings.resolutions)
        fired = desk.fire_all(findings.conditions)
        return {
            "checked": len(batch),
            "late": findings.late,
            "opened": sum(each is Fired.OPENED for each in fired.values()),
            "resolved": sum(each is Resolved.RESOLVED for each in ended.values()),
        }

    def _cases(
        self, connection: Connection, batch: Sequence[str], open_alerts: Mapping[str, Alert], now: datetime
    ) -> dict[str, _Case]:
        """Judge the conversations of a batch, those that still exist."""
        self._conversations.lock(connection, batch)
        watched = self._conversations.watched(connection, batch)
        moved = {
            conversation_id: each
            for conversation_id, each in watched.items()
            if not self._stands(each, open_alerts.get(conversation_id), now)
        }
        threads = read_threads(self._conversations, connection, moved)
        states = {conversation_id: waiting_state(thread, now) for conversation_id, thread in threads.items()}
        self._conversations.set_waiting(connection, changed_states(moved, states))
        return {
            conversation_id: _Case(
                each,
                judge(each, states.get(conversation_id, each.waiting), self._policy, now),
                threads.get(conversation_id, ()),
            )
            for conversation_id, each in watched.items()
        }

    def _stands(self, watched: WatchedConversation, alert: Alert | None, now: datetime) -> bool:
        """Whether the wait is the one that was alerted, so that its messages need not be read again and again."""
        again = watched.waiting.recheck_at
        return (
            alert is not None
            and watched.waiting.since(self._policy.clock) == alert.since_at
            and (again is None or again > now)
        )

    def _find(
        self, findings: _Findings, conversation_id: str, case: _Case | None, alert: Alert | None, now: datetime
    ) -> None:
        resolution = self._resolution(alert, case, now) if alert else None
        if alert and resolution:
            findings.resolutions[alert.fingerprint] = resolution
        if case is None or case.verdict.verdict is not Judgement.LATE:
            return
        findings.late += 1
        if alert is None or resolution is not None:
            findings.conditions.append(self._condition(case))

    def _resolution(self, alert: Alert, case: _Case | None, now: datetime) -> Resolution | None:
        """Why the alerted wait is over, or None while it goes on."""
        if case is None:
            return Resolution("the conversation no longer exists")
        if case.verdict.verdict is Judgement.EXCLUDED:
            return Resolution(case.verdict.reason.rstrip("."))
        answer = first_answer(case.thread, alert.since_at, self._policy.clock, now)
        if answer is not None:
            waited = answer.sent_at - alert.since_at
            return Resolution(
                "answered",
                {
                    "answered_at": iso(answer.sent_at),
                    "answered_by": answer.sender_name,
                    "waited_minutes": int(waited / timedelta(minutes=1)),
                },
            )
        if case.verdict.verdict is Judgement.ANSWERED:
            return Resolution("the customer's message was removed")
        return None

    def _condition(self, case: _Case) -> Condition:
        conversation, page, verdict = case.watched.conversation, case.watched.page, case.verdict
        since = verdict.due_at - self._policy.threshold if verdict.due_at else None
        assert since is not None, "a late conversation has a due time"
        return Condition(
            kind=KIND,
            subject=conversation.conversation_id,
            severity=Severity.MEDIUM,
            since=since,
            labels={
                "page_id": conversation.page_id,
                "conversation_id": conversation.conversation_id,
                "conversation_type": conversation.type,
            },
            annotations={
                "customer_name": _customer_name(case),
                "page_name": page.name or page.page_id,
                "conversation_type": conversation.type,
                "platform": platform_of(conversation).value,
                "waited_minutes": int(verdict.waited_minutes),
                "threshold_minutes": _minutes(self._policy.threshold),
                "waiting_since": iso(verdict.waiting_since) if verdict.waiting_since else None,
                "human_waiting_since": iso(verdict.human_waiting_since) if verdict.human_waiting_since else None,
                "link": deep_link(page, conversation),
            },
            level=verdict.level,
        )


def _minutes(duration: timedelta) -> int | float:
    minutes = round(duration / timedelta(minutes=1), 1)
    return int(minutes) if minutes.is_integer() else minutes


def _customer_name(case: _Case) -> str | None:
    """The customer's name; not one that holds a telephone number, as messages go to group chats."""
    names = [case.watched.conversation.customer_name]
    names += [each.sender_name for each in reversed(case.thread) if each.sender is Sender.CUSTOMER]
    for name in names:
        if name and sum(char.isdigit() for char in name) < _DIGITS_OF_A_PHONE_NUMBER:
            return name
    return None
