"""Taking notifications from the outbox: who may send one, and what became of it.

A claim is a guarded update that writes the owner and a lease beside the row. Nobody else touches the row until the
outcome is recorded, the owner is known to be dead, or the lease has run out. Whatever is recorded names the owner
and the attempt of its claim, so a process that was away too long cannot overwrite its successor.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    TextClause,
    Update,
    case,
    literal,
    or_,
    select,
    update,
)

from roundsman.repositories.alert_ends import UNTOLD
from roundsman.repositories.alert_log import AlertLog, LogEntry, LogEvent
from roundsman.repositories.audience import Audience
from roundsman.repositories.claim import Claim as Claim  # where those above look for it
from roundsman.repositories.claim import doubt_of, first_receipt, is_mine, next_due
from roundsman.repositories.columns import UtcTime
from roundsman.repositories.late_changes import add_change
from roundsman.repositories.notification_heirs import hand_on, heir_of
from roundsman.repositories.notification_relevance import CAME_TRUE, Member, is_news, members_of, why_pointless
from roundsman.repositories.notifications import UNFINISHED, NotificationEvent, NotificationStatus
from roundsman.repositories.tables import notification_alerts, notifications

DIGEST_REST = timedelta(seconds=30)
"""Between two changes of one digest: forty customers who are answered one after another are not forty edits."""


class NotificationClaims:
    """Claims notifications and records what became of them. Every method works in the caller's transaction."""

    def __init__(self) -> None:
        self._log = AlertLog()

    def claim(
        self,
        connection: Connection,
        channel: str,
        owner: str,
        now: datetime,
        lease: timedelta,
        *,
        can_edit: bool = True,
    ) -> Claim | None:
        """Take the next due notification of a channel that is not switched off, or None.

        On the way, what has become pointless is cancelled: news of alerts that are over by now, warnings of what has
        come true, the end of what never arrived. A message whose sender died while sending it counts as sent, without
        a receipt: whoever did get it must hear the end. A resolved message waits for the one that it changes, which
        may be in flight in another process.
        """
        query = next_due(channel, now)
        while (row := connection.execute(query).one_or_none()) is not None:
            if row.told_edit_after is not None and row.told_edit_after > now:
                _set(connection, row.id, not_before=row.told_edit_after)
                continue
            members = members_of(connection, row.edits or row.id)
            reason = why_pointless(connection, row, members, can_edit)
            if reason is not None:
                self._drop(connection, row, members, reason, now)
                continue
            values = {"owner": owner, "lease_until": now + lease, "attempts": row.attempts + 1, "error": None}
            _set(connection, row.id, status=NotificationStatus.SENDING.value, **values)
            shown = self._shown(connection, row, members, now)
            copy = max(each.copy for each in members)
            return self._claim(connection, row, shown, owner, can_edit=can_edit, copy=copy)
        return None

    def sent(
        self,
        connection: Connection,
        claim: Claim,
        receipt: Mapping[str, Any],
        now: datetime,
        *,
        all_copies_known: bool = False,
    ) -> bool:
        """Record the delivery. False: the claim was lost meanwhile and nothing was changed.

        `all_copies_known`: the receipt names whatever a process that died with this message may have sent.
        """
        done = _finish(claim.id, NotificationStatus.SENT, now).where(*is_mine(claim))
        is_unsure = claim.maybe_sent and not all_copies_known
        if connection.execute(done.values(receipt=dict(receipt), error=None, maybe_sent=is_unsure)).rowcount != 1:
            return False
        if claim.is_digest and claim.edits is not None:
            # Where there was nothing to edit it is a new message, and that one is to be edited next
            _set(connection, claim.edits, edit_after=now + DIGEST_REST, receipt=dict(receipt))
        if claim.edits is not None and claim.firing_receipt is None:
            # The message that it was to change has no receipt, as its sender died: this one stands in its place, and
            # is what the next change is for. Where that was found, it is this one
            known = {"maybe_sent": False} if all_copies_known else {}
            _set(connection, claim.edits, receipt=dict(receipt), **known)
        self._note(connection, claim, LogEvent.TOLD, {"words": receipt.get("words")}, now)
        return True

    def failed(
        self,
        connection: Connection,
        claim: Claim,
        error: str,
        now: datetime,
        *,
        goes_on_to: Mapping[int, str] | None = None,
    ) -> bool:
        """Give this notification up; other channels take over for these alerts. False: the claim was lost meanwhile and
        nothing was changed."""
        done = given_up(now).where(notifications.c.id == claim.id, *is_mine(claim))
        if connection.execute(done.values(error=error)).rowcount != 1:
            return False
        for number in claim.news_of:
            onward = (goes_on_to or {}).get(number)
            detail = {"reason": error, **({"goes_on_to": onward} if onward else {})}
            self._note(connection, replace(claim, news_of=(number,)), LogEvent.GAVE_UP, detail, now)
        return True

    def retry(
        self, connection: Connection, claim: Claim, not_before: datetime, error: str, *, counts: bool = True
    ) -> bool:
        """Put it back until then; as untried if that does not count. False: the claim was lost meanwhile and nothing
        was changed."""
        if claim.edits is not None and (heir := heir_of(connection, claim.id)) is not None:
            return hand_on(connection, claim.id, heir, is_mine(claim))
        put_back = update(notifications).where(notifications.c.id == claim.id, *is_mine(claim))
        values = {"status": NotificationStatus.PENDING.value, "owner": None, "lease_until": None}
        tried = claim.attempts if counts else claim.attempts - 1
        changed = put_back.values(not_before=not_before, error=error, attempts=tried, **values)
        return connection.execute(changed).rowcount == 1

    def give_back(self, connection: Connection, claim: Claim) -> bool:
        """Put it back untried, as if it had not been claimed. False: the claim was lost meanwhile."""
        put_back = update(notifications).where(notifications.c.id == claim.id, *is_mine(claim))
        values = {"status": NotificationStatus.PENDING.value, "owner": None, "lease_until": None}
        return connection.execute(put_back.values(attempts=claim.attempts - 1, **values)).rowcount == 1

    def release(self, connection: Connection, owners: Iterable[str], held: Iterable[int], now: datetime) -> int:
        """Free the claims of these (dead) owners and those whose lease is over, except the ones `held` by the caller.

        Returns how many. Whether such a message went out before its sender died, the store cannot know: where
        the channel cannot find it either, it is sent again, which is the one repeat that a kill may cost.
        """
        lost: tuple[ColumnElement[bool] | TextClause, ...] = (
            UNFINISHED,
            notifications.c.status == NotificationStatus.SENDING.value,
            or_(notifications.c.owner.in_(list(owners)), notifications.c.lease_until <= now),
            notifications.c.id.not_in(list(held)),
        )
        changes = select(notifications.c.id).where(*lost, notifications.c.edits.is_not(None))
        inherited = 0
        for number in connection.execute(changes).scalars().all():
            if (heir := heir_of(connection, number)) is not None:
                inherited += hand_on(connection, number, heir, lost)
        # It was due when it was claimed: a later moment was written when the clock was ahead
        due_at = case((notifications.c.not_before > now, literal(now, UtcTime())), else_=notifications.c.not_before)
        freed = (
            update(notifications)
            .where(*lost)
            .values(
                status=NotificationStatus.PENDING.value,
                owner=None,
                lease_until=None,
                maybe_sent=True,
                not_before=due_at,
            )
        )
        return inherited + connection.execute(freed).rowcount

    def _drop(
        self, connection: Connection, row: Row[Any], members: Sequence[Member], reason: str, now: datetime
    ) -> None:
        if row.maybe_sent:
            connection.execute(_finish(row.id, NotificationStatus.SENT, now))
            over = [each.alert_id for each in members if not each.is_open and not each.left_out]
            if over and row.edits is None:  # they ended while it was to be repeated, and so nobody was to hear of it
                add_change(connection, row, over, now)
            return
        connection.execute(_finish(row.id, NotificationStatus.CANCELLED, now))
        about = _own_members(connection, row.id) if row.edits else [each.alert_id for each in members]
        self._cancelled(connection, row, about, reason, now)

    def _shown(
        self, connection: Connection, row: Row[Any], members: Sequence[Member], now: datetime
    ) -> tuple[int, ...]:
        """The alerts that the text is about. What a digest leaves out is noted, since nobody is told of its end."""
        if row.edits is not None or row.maybe_sent:  # a repeat tells those who got the first copy what is over by now
            return tuple(each.alert_id for each in members if not each.left_out)
        event = NotificationEvent(row.event)
        news = tuple(each.alert_id for each in members if is_news(event, each))
        rest = [each.alert_id for each in members if each.alert_id not in set(news) and not each.left_out]
        if rest:
            mine = notification_alerts
            passed_over = update(mine).where(mine.c.notification_id == row.id, mine.c.alert_id.in_(rest))
            connection.execute(passed_over.values(left_out=True))
            for alert_id in rest:
                is_open = any(each.is_open for each in members if each.alert_id == alert_id)
                self._cancelled(connection, row, [alert_id], CAME_TRUE if is_open else UNTOLD, now)
        return news

    def _claim(
        self, connection: Connection, row: Row[Any], shows: tuple[int, ...], owner: str, *, can_edit: bool, copy: int
    ) -> Claim:
        is_change = row.edits is not None
        is_own_news = row.event == NotificationEvent.CHANGED or (is_change and row.is_digest and can_edit)
        return Claim(
            id=row.id,
            alert_id=row.alert_id,
            channel=row.channel,
            event=NotificationEvent(row.event),
            attempts=row.attempts + 1,
            owner=owner,
            created_at=row.created_at,
            firing_receipt=row.told_receipt if is_change else None,
            level=row.level,
            audience=Audience.from_json(row.audience),
            shows=shows,
            # One reply ends a digest for all; a change is the news of those that it was made for
            news_of=tuple(_own_members(connection, row.id)) if is_own_news else shows,
            edits=row.edits,
            is_digest=row.is_digest,
            copy=copy,
            thread=None if is_change or row.is_digest else connection.execute(first_receipt(row)).scalar_one_or_none(),
            maybe_sent=row.maybe_sent,
            doubt=doubt_of(connection, row),
            told_twice=bool(row.told_maybe_sent),
            rank=row.rank,
        )

    def _note(
        self, connection: Connection, claim: Claim, event: LogEvent, detail: Mapping[str, Any], now: datetime
    ) -> None:
        detail = {"news": claim.event.value, **detail, **({"together": len(claim.shows)} if claim.is_digest else {})}
        entries = [LogEntry(number, now, event, claim.level, claim.channel, detail) for number in claim.news_of]
        self._log.add(connection, entries)

    def _cancelled(
        self, connection: Connection, row: Row[Any], alert_ids: Iterable[int], reason: str, now: datetime
    ) -> None:
        detail = {"news": row.event, "reason": reason}
        entries = [LogEntry(each, now, LogEvent.CANCELLED, row.level, row.channel, detail) for each in alert_ids]
        self._log.add(connection, entries)


def _own_members(connection: Connection, notification_id: int) -> list[int]:
    query = select(notification_alerts.c.alert_id).where(notification_alerts.c.notification_id == notification_id)
    return list(connection.execute(query.order_by(notification_alerts.c.alert_id)).scalars())


def _set(connection: Connection, notification_id: int, **values: Any) -> None:
    connection.execute(update(notifications).where(notifications.c.id == notification_id).values(**values))


def given_up(now: datetime) -> Update:
    """Of a message that perhaps did go out, before its sender died, somebody may have to hear the end: it counts as
    sent."""
    sent, failed = literal(NotificationStatus.SENT.value), literal(NotificationStatus.FAILED.value)
    status = case((notifications.c.maybe_sent, sent), else_=failed)
    return update(notifications).values(status=status, owner=None, lease_until=None, finished_at=now)


def _finish(notification_id: int, status: NotificationStatus, now: datetime) -> Update:
    return (
        update(notifications)
        .where(notifications.c.id == notification_id)
        .values(status=status.value, owner=None, lease_until=None, finished_at=now)
    )
