"""Limits of kinds, exact over all processes: how many are under a lease at a time, how many are received in a time.

A claim that wants a limited kind first has that kind's lock (PostgreSQL; on SQLite a writer is alone), so that what
it counts stays true until it commits. Kinds without limits are not looked at.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from roundsman.message import KindLimits, Rate
from roundsman.repositories.queue_groups import KIND_LOCKS, lock
from roundsman.repositories.statement import Statement, read_time

_LEASED = Statement(
    "SELECT kind, count(*) FROM queue_messages WHERE status = 'leased' AND kind AMONG :kinds GROUP BY kind"
)
_BUCKETS = Statement("SELECT kind, tokens, refilled_at FROM queue_rates WHERE kind AMONG :kinds")
_SPEND = Statement("""
INSERT INTO queue_rates (kind, tokens, refilled_at) VALUES (:kind, :tokens, :now)
ON CONFLICT (kind) DO UPDATE SET tokens = excluded.tokens, refilled_at = excluded.refilled_at
""")
_READY = Statement("SELECT 1 FROM queue_messages WHERE status = 'ready' AND kind = :kind LIMIT 1")

_ROUNDING = 1e-6
"""Tokens are fractions: without it, a third of three seconds is a little less than a token."""


@dataclass(frozen=True)
class _Bucket:
    tokens: float
    refilled_at: datetime

    def at(self, rate: Rate, now: datetime) -> float:
        # A clock that was set back refills nothing
        passed = max(now - self.refilled_at, timedelta(0))
        return min(self.tokens + rate.count * (passed / rate.per), float(rate.count))


class QueueLimits:
    """What of a claim the limits let pass."""

    def __init__(self, limits: Mapping[str, KindLimits]) -> None:
        self._concurrency = {kind: each.concurrency for kind, each in limits.items() if each.concurrency is not None}
        self._rates = {kind: each.rate for kind, each in limits.items() if each.rate is not None}
        self.kinds = self._concurrency.keys() | self._rates.keys()

    def allowed(self, connection: Connection, wanted: Mapping[str, int], now: datetime) -> Mapping[str, int]:
        """`wanted`, with limited kinds cut to what they may have now."""
        limited = self.kinds & wanted.keys()
        if not limited:
            return wanted
        lock(connection, KIND_LOCKS, limited)
        allowed = dict(wanted)
        for kind, free in self._free(connection, limited).items():
            allowed[kind] = min(allowed[kind], free)
        for kind, tokens in self._tokens(connection, limited, now).items():
            allowed[kind] = min(allowed[kind], int(tokens + _ROUNDING))
        return allowed

    def spend(self, connection: Connection, received: Mapping[str, int], now: datetime) -> None:
        """So many were received, in the transaction of `allowed`."""
        rated = self._rates.keys() & received.keys()
        for kind, tokens in self._tokens(connection, rated, now).items():
            _SPEND.run(connection, kind=kind, tokens=max(tokens - received[kind], 0.0), now=now)

    def next_token(self, connection: Connection, kinds: Collection[str]) -> datetime | None:
        """When the next one may be received of a kind that has some ready and is held back by its rate alone."""
        rated = self._rates.keys() & set(kinds)
        full = {kind for kind, free in self._free(connection, rated).items() if free <= 0}
        moments = []
        for kind, bucket in self._buckets(connection, rated - full).items():
            rate = self._rates[kind]
            if bucket.tokens < 1 and _READY.run(connection, kind=kind):
                moments.append(bucket.refilled_at + (1 - bucket.tokens) * rate.per / rate.count)
        return min(moments, default=None)

    def _free(self, connection: Connection, kinds: Collection[str]) -> dict[str, int]:
        counted = self._concurrency.keys() & set(kinds)
        if not counted:
            return {}
        leased = dict(_LEASED.run(connection, kinds=sorted(counted)))
        return {kind: max(self._concurrency[kind] - leased.get(kind, 0), 0) for kind in counted}

    def _tokens(self, connection: Connection, kinds: Collection[str], now: datetime) -> dict[str, float]:
        rated = self._rates.keys() & set(kinds)
        buckets = self._buckets(connection, rated)
        return {
            kind: buckets[kind].at(self._rates[kind], now) if kind in buckets else float(self._rates[kind].count)
            for kind in rated
        }

    def _buckets(self, connection: Connection, kinds: Collection[str]) -> dict[str, _Bucket]:
        if not kinds:
            return {}
        return {
            kind: _Bucket(tokens, read_time(connection, refilled_at))
            for kind, tokens, refilled_at in _BUCKETS.run(connection, kinds=sorted(kinds))
        }
