"""What a message looks like in SQS: ours, and what other programs put in.

The body is the JSON of our body; whatever else we know stands as JSON in one attribute, `roundsman`, in ASCII, since
SQS takes neither every character nor more than ten attributes. When a message moves to the dead letters and back, its
body and the attributes of others stay as they were to the letter.

A message without our attribute comes from elsewhere. Its kind is `kind` or `type`, its body `data` if there is one
(the agents' `{type, data, priority}`), also one level down (`{id, data: {type, ...}, timestamp, priority, delay}`).
In numbers of priority 0 is what that program writes for "not said"; 1 to 3 grow more urgent, as all numbers here.
Whatever cannot be understood has a `fault` instead of a kind: it is buried, for it would come back for ever.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from roundsman.message import Draft, Priority, parse_priority

ATTRIBUTE = "roundsman"
_ATTRIBUTES = 10
"""Of one message (SQS, quotas)."""
_LONGEST_KIND = 200
_LONGEST_DELAY = timedelta(days=14)
"""SQS keeps nothing longer."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What we know of a message beside its body."""

    id: str
    kind: str
    priority: int
    group: str | None
    enqueued_at: datetime
    due_at: datetime | None = None
    """Set when SQS cannot keep it back for so long, and on a replay: then its place in the queue counts from here."""
    foreign: bool = False
    """Its body is to be read as that of another program."""
    deliveries: int = 0
    """Of a dead letter."""
    dead_at: datetime | None = None
    reason: str = ""

    def attribute(self) -> dict[str, str]:
        told = {
            "id": self.id,
            "kind": self.kind,
            "priority": self.priority,
            "group": self.group,
            "enqueued_at": self.enqueued_at.isoformat(),
            "due_at": self.due_at.isoformat() if self.due_at else None,
            "foreign": self.foreign or None,
            "deliveries": self.deliveries or None,
            "dead_at": self.dead_at.isoformat() if self.dead_at else None,
            "reason": self.reason or None,
        }
        text = json.dumps({name: value for name, value in told.items() if value is not None}, separators=(",", ":"))
        return {"DataType": "String", "StringValue": text}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, KeyError or TypeError."""
        told = json.loads(text)
        if not isinstance(told, dict):
            raise TypeError("no JSON object")
        due, dead = told.get("due_at"), told.get("dead_at")
        return cls(
            id=str(told["id"]),
            kind=str(told["kind"]),
            priority=int(told["priority"]),
            group=str(told["group"]) if "group" in told else None,
            enqueued_at=_aware(told["enqueued_at"]),
            due_at=_aware(due) if due else None,
            foreign=bool(told.get("foreign")),
            deliveries=int(told.get("deliveries", 0)),
            dead_at=_aware(dead) if dead else None,
            reason=str(told.get("reason", "")),
        )


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as SQS handed it over, read."""

    handle: str
    sqs_id: str
    received: int
    """How often, this time included, as SQS counts."""
    sqs_group: str | None
    sent_at: datetime
    text: str
    others: Mapping[str, Any]
    """The attributes that are not ours."""
    facts: Facts
    body: Mapping[str, Any]
    fault: str = ""
    """Why it cannot be understood. Its kind is empty then."""

    def entry(self, facts: Facts, *, fifo: bool, group: str) -> dict[str, Any]:
        """What to send so that it goes on living elsewhere, with these facts.

        Within five minutes a FIFO queue takes it once, whoever sends it how often: the step may be repeated after a
        crash. The id of the copy is a new one, so that the next move is another step.
        """
        others = dict(list(self.others.items())[: _ATTRIBUTES - 1])
        entry = {"MessageBody": self.text, "MessageAttributes": {**others, ATTRIBUTE: facts.attribute()}}
        return entry | ({"MessageGroupId": group, "MessageDeduplicationId": self.sqs_id} if fifo else {})


def new_entry(draft: Draft, facts: Facts, *, fifo: bool, delay: timedelta, alone: str = "") -> dict[str, Any]:
    """What to send for a draft.

    `delay` is the part of it that SQS is to wait for; `alone` the group, in SQS, of a message that has none.
    """
    entry = {
        "MessageBody": json.dumps(draft.body, separators=(",", ":"), allow_nan=False),
        "MessageAttributes": {ATTRIBUTE: facts.attribute()},
    }
    if fifo:
        group = group_id(facts) if facts.group is not None else alone or facts.id
        return entry | {"MessageGroupId": group, "MessageDeduplicationId": dedup_key(draft) or facts.id}
    return entry | ({"DelaySeconds": whole_seconds(delay)} if delay else {})


def dedup_key(draft: Draft) -> str | None:
    """SQS allows neither spaces nor more than 128 characters; keys of different kinds are different."""
    if draft.dedup is None:
        return None
    return hashlib.sha256(json.dumps([draft.kind, draft.dedup]).encode()).hexdigest()


def group_id(facts: Facts) -> str:
    """The group in SQS; a message without one is alone in its own."""
    if facts.group is None:
        return facts.id
    if re.fullmatch(r"[!-}]{1,100}", facts.group):
        return facts.group
    return f"sha256-{hashlib.sha256(facts.group.encode()).hexdigest()}"


def whole_seconds(span: timedelta) -> int:
    """SQS counts in seconds: rather a little later than too early."""
    return max(0, -int(-span // timedelta(seconds=1)))


def read_letter(raw: Mapping[str, Any]) -> Letter:
    """Read what SQS handed over; never raises."""
    system = raw.get("Attributes") or {}
    attributes = dict(raw.get("MessageAttributes") or {})
    ours = attributes.pop(ATTRIBUTE, None)
    sqs_id, sqs_group = str(raw["MessageId"]), system.get("MessageGroupId")
    sent_at = datetime.fromtimestamp(int(system.get("SentTimestamp", 0)) / 1000, UTC)
    facts, fault = Facts(sqs_id, "", Priority.NORMAL, sqs_group, sent_at, foreign=True), ""
    body: Mapping[str, Any] = {}
    try:
        if ours:
            facts = Facts.parse(ours["StringValue"])
        facts, body = _understand(facts, raw.get("Body", ""))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        fault = str(error) if isinstance(error, _UnclearError) else f"its JSON is broken ({type(error).__name__})"
    return Letter(
        handle=str(raw["ReceiptHandle"]),
        sqs_id=sqs_id,
        received=int(system.get("ApproximateReceiveCount", 1)),
        sqs_group=sqs_group,
        sent_at=sent_at,
        text=str(raw.get("Body", "")),
        others=attributes,
        facts=replace(facts, kind="") if fault else facts,
        body=body if not fault else {"text": str(raw.get("Body", ""))[:1000]},
        fault=fault,
    )


class _UnclearError(ValueError):
    pass


def _understand(facts: Facts, text: str) -> tuple[Facts, Mapping[str, Any]]:
    body = json.loads(text, parse_constant=_refuse)
    if not isinstance(body, dict):
        raise _UnclearError("its body is no JSON object")
    return _of_others(facts, body) if facts.foreign else (facts, body)


def _of_others(facts: Facts, whole: Mapping[str, Any]) -> tuple[Facts, Mapping[str, Any]]:
    data = whole.get("data")
    inner = data if isinstance(data, dict) else {}
    kind, body = _kind(whole), inner if isinstance(data, dict) else whole
    if kind is None:
        kind, deeper = _kind(inner), inner.get("data")
        body = deeper if isinstance(deeper, dict) else inner
    if kind is None:
        raise _UnclearError("it tells no kind: neither `kind` nor `type`, nor one of them in `data`")
    if facts.kind:  # it has been through our hands: a dead letter, or a replayed one
        return facts, body
    priority = _priority(whole.get("priority") or inner.get("priority"))
    came = _moment(whole.get("timestamp"), facts.enqueued_at)
    # In the form with the kind outside the delay is in seconds, in the other one in milliseconds
    unit = timedelta(seconds=1) if _kind(whole) else timedelta(milliseconds=1)
    due = came + _span(whole.get("delay"), unit)
    return replace(facts, kind=kind, priority=priority, enqueued_at=came, due_at=due if due > came else None), body


def _kind(told: Mapping[str, Any]) -> str | None:
    kind = told.get("kind") or told.get("type")
    return kind if isinstance(kind, str) and 0 < len(kind) <= _LONGEST_KIND else None


def _priority(told: object) -> int:
    if not told or not isinstance(told, int | str):
        return Priority.NORMAL
    try:
        return parse_priority(told)
    except ValueError:
        return Priority.NORMAL


def _moment(told: object, sent_at: datetime) -> datetime:
    """Milliseconds of the epoch, if they are near the time at which SQS took the message."""
    if isinstance(told, int | float) and not isinstance(told, bool):
        off = told - sent_at.timestamp() * 1000
        if abs(off) < _LONGEST_DELAY / timedelta(milliseconds=1):
            return sent_at + timedelta(milliseconds=off)
    return sent_at


def _span(told: object, unit: timedelta) -> timedelta:
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told <= _LONGEST_DELAY / unit:
        return told * unit
    return timedelta(0)


def _refuse(constant: str) -> Any:
    raise _UnclearError(f"its JSON holds {constant}")


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC)
