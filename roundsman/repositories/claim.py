"""A claim: the right of one process to send a message, and the message that is to be claimed next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, or_, select

from roundsman.repositories.audience import EVERYBODY, Audience
from roundsman.repositories.known_receipts import KnownReceipt, known_receipts
from roundsman.repositories.notifications import (
    UNFINISHED,
    NotificationEvent,
    NotificationStatus,
    is_of_the_future,
    is_off,
)
from roundsman.repositories.tables import notifications


@dataclass(frozen=True)
class Doubt:
    """A message may stand somewhere of which there is no receipt."""

    since: datetime
    """When it was made."""
    tries: int
    """Each of which may have arrived."""
    known: tuple[KnownReceipt, ...]
    """What stands on the channels for certain, the newest first."""
    is_of_told: bool
    """It is the one that this claim is to change: nobody repeats that, as what it tells of is over."""


@dataclass(frozen=True)
class Claim:
    """A notification that this process alone may send, until the lease ends."""

    id: int
    alert_id: int
    channel: str
    event: NotificationEvent
    attempts: int
    """Including the one that begins now."""
    owner: str
    created_at: datetime
    firing_receipt: Mapping[str, Any] | None
    """For a change: the receipt of the message that it may edit."""
    level: int = 1
    audience: Audience = EVERYBODY
    shows: tuple[int, ...] = ()
    """The alerts that the text is about."""
    news_of: tuple[int, ...] = ()
    """The alerts in whose log it is noted: those that a change of a digest was made for, else all that it shows."""
    edits: int | None = None
    is_digest: bool = False
    copy: int = 0
    """The how manieth message about this news on this channel, but for the first."""
    maybe_sent: bool = False
    """A process died while it was sending this, and nobody knows how far it came."""
    doubt: Doubt | None = None
    """What may stand on the channel already, if a process died while it was sending this, or what this changes."""
    thread: Mapping[str, Any] | None = None
    """The receipt of the first message about the same single alert on this channel, if there was one."""
    told_twice: bool = False
    """Of a change: the message was repeated after such a death, so there may be a copy without a receipt."""
    rank: int = 0
    """The lower, the more urgent."""


def next_due(channel: str, now: datetime) -> Select[Any]:
    """Criticals first, then by level, then what was enqueued first; walks along an index in just this order.

    What must not be is said by `exists` alone: of an outer join with a condition, and of channels that are compared row
    by row, PostgreSQL expects that next to nothing is left, and then sorts all that waits for each message.
    """
    told, flying, waiting = (notifications.alias(name) for name in ("told", "flying", "waiting"))
    # Found by the alert, which a change has in common with its message: that is what there is an index for
    in_flight = exists().where(
        flying.c.alert_id == notifications.c.alert_id,
        flying.c.edits == notifications.c.edits,
        flying.c.status == NotificationStatus.SENDING.value,
    )
    is_untold = exists().where(
        waiting.c.id == notifications.c.edits,
        waiting.c.status.in_([NotificationStatus.PENDING.value, NotificationStatus.SENDING.value]),
    )
    return (
        select(
            notifications,
            told.c.status.label("told_status"),
            told.c.receipt.label("told_receipt"),
            told.c.edit_after.label("told_edit_after"),
            told.c.maybe_sent.label("told_maybe_sent"),
            told.c.attempts.label("told_attempts"),
            told.c.created_at.label("told_created_at"),
        )
        .outerjoin(told, told.c.id == notifications.c.edits)
        .where(
            UNFINISHED,
            notifications.c.channel == channel,
            notifications.c.status == NotificationStatus.PENDING.value,
            or_(notifications.c.not_before <= now, is_of_the_future(now)),
            ~is_off(channel),
            ~is_untold,
            ~in_flight,  # an older change that arrives after a newer one would stay
        )
        .order_by(notifications.c.rank, notifications.c.id)
        .limit(1)
        .with_for_update(of=notifications, skip_locked=True)
    )


def is_mine(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """Whether a message is still claimed so."""
    return (
        notifications.c.status == NotificationStatus.SENDING.value,
        notifications.c.owner == claim.owner,
        notifications.c.attempts == claim.attempts,
    )


def doubt_of(connection: Connection, row: Row[Any]) -> Doubt | None:
    """What a process that died may have left of this message, or of the one that it changes."""
    is_of_told = bool(row.told_maybe_sent) and row.told_receipt is None
    if not row.maybe_sent and not is_of_told:
        return None
    number, since = (row.edits, row.told_created_at) if is_of_told else (row.id, row.created_at)
    tries = row.attempts + (row.told_attempts if is_of_told else 0)
    return Doubt(since, tries, known_receipts(connection, row.channel, number, since), is_of_told)


def first_receipt(row: Row[Any]) -> Select[Any]:
    """The receipt of the first message about the alert of this one, on its channel; of digests there are no threads."""
    earlier = notifications.alias("earlier")
    return (
        select(earlier.c.receipt)
        .where(
            earlier.c.alert_id == row.alert_id,
            earlier.c.channel == row.channel,
            earlier.c.status == NotificationStatus.SENT.value,
            earlier.c.edits.is_(None),
            ~earlier.c.is_digest,
            earlier.c.receipt.is_not(None),
            earlier.c.id != row.id,
        )
        .order_by(earlier.c.id)
        .limit(1)
    )
