"""What has changed since a mark, in the order of change: a walk along one index, in bounded steps, from any point on.

`updatedAt` is the moment at which FolkForm wrote a document, in milliseconds: the only one of its times that grows with
every change. (`insertedAt` and `panCakeUpdatedAt` are Pancake's: what the synchronisation brings late has old ones.)
Several documents may share one moment, so a mark names the document as well.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bson import json_util
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId

from roundsman.conversations.moment import MILLISECONDS_FROM
from roundsman.conversations.mongo.connection import MongoConnection
from roundsman.conversations.mongo.indexes import CHANGES, Indexes

AHEAD = timedelta(minutes=10)
"""How far a writer's clock may be before ours; what claims to be of a later time is no time."""

_FIELDS = {"_id": 1, "updatedAt": 1, "conversationId": 1}


class Mark(NamedTuple):
    """A place in the order of changes."""

    at_ms: float
    after: str | None = None
    """The _id (in extended JSON) of the last document read of that moment; None: all of it are still to come."""


class Change(NamedTuple):
    """One document that changed."""

    conversation_id: str | None
    """None when it has none that is a text."""
    document: str
    """Its _id, in extended JSON."""
    at_ms: float

    @property
    def mark(self) -> Mark:
        return Mark(self.at_ms, self.document)


@dataclass(frozen=True)
class ChangeFeed:
    """The changes of one collection."""

    connection: MongoConnection
    indexes: Indexes

    def changed(self, since: Mark, now: datetime, limit: int) -> list[Change]:
        """The next changes after a mark; fewer than `limit` when those are all. Raises SourceError."""
        with self.connection.sentences():
            return [_change(each) for each in self._query(since, now, limit)]

    def explain(self, since: Mark, now: datetime, limit: int) -> dict[str, Any]:
        """How the server does that. Raises SourceError."""
        with self.connection.sentences():
            plan: dict[str, Any] = self._query(since, now, limit).explain()
        return plan

    def newest(self, now: datetime) -> float | None:
        """The moment of the last change, in milliseconds; None if there is none."""
        return self._last_before(_milliseconds(now + AHEAD))

    def check(self, now: datetime) -> None:
        """Raises SourceError if the documents are not dated as we believe: then no change would ever be noticed."""
        with self.connection.sentences():
            is_empty = self._collection.find_one({}, {"_id": 1}, hint="_id_") is None
        if is_empty or self.newest(now) is not None:
            return
        if self._last_before(float("inf")) is not None:
            raise self.connection.refused(
                f"tells in {self.indexes.collection} only of times ahead of this machine's clock; set the clocks right"
            )
        raise self.connection.refused(
            f"holds no updatedAt in Unix milliseconds in {self.indexes.collection}, as FolkForm writes it; "
            "so changes cannot be noticed"
        )

    def _last_before(self, at_ms: float) -> float | None:
        """The moment of the last change before that one, in milliseconds."""
        with self.connection.sentences():
            cursor = self._collection.find({}, _FIELDS).hint(self._hint).max(_bound(at_ms, MinKey()))
            found = list(cursor.sort([(name, -direction) for name, direction in CHANGES[:2]]).limit(1))
        at = found[0].get("updatedAt") if found else None
        return _number(at) if _is_milliseconds(at) else None

    def _query(self, since: Mark, now: datetime, limit: int) -> Any:
        # Bounds of the index itself, not a filter: they hold across all types that an _id may have
        after = MinKey() if since.after is None else json_util.loads(since.after)
        first = _bound(since.at_ms, after, MinKey() if since.after is None else MaxKey())
        last = _bound(_milliseconds(now + AHEAD), MinKey())
        cursor = self._collection.find({}, _FIELDS).hint(self._hint).min(first).max(last)
        return cursor.sort(list(CHANGES[:2])).limit(limit)

    @property
    def _collection(self) -> Any:
        return self.connection.collection(self.indexes.collection)

    @property
    def _hint(self) -> str:
        assert self.indexes.by_change is not None, "find_indexes has refused"
        return self.indexes.by_change


def _bound(at_ms: float, document: Any, conversation_id: Any = None) -> list[tuple[str, Any]]:
    return [("updatedAt", at_ms), ("_id", document), ("conversationId", conversation_id or MinKey())]


def _change(found: dict[str, Any]) -> Change:
    conversation_id = found.get("conversationId")
    return Change(
        conversation_id if isinstance(conversation_id, str) else None,
        _as_json(found["_id"]),
        _number(found["updatedAt"]),
    )


def _as_json(document: Any) -> str:
    if type(document) is ObjectId:  # nearly all are, and the general way takes ten times as long
        return f'{{"$oid": "{document}"}}'
    return json_util.dumps(document)


def _number(value: Any) -> float:
    """As it is, so that a mark lies exactly where the index has it."""
    return int(value) if isinstance(value, int) else float(str(value))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _is_milliseconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= MILLISECONDS_FROM
