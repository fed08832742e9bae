"""What a storm of alerts costs: two hundred at once on two channels, and the next message when ten thousand wait.

Each figure is a whole transaction, commit included. The audience makes the difference between a digest and two hundred
messages a channel.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.engine import URL

from benchmarks.figures import SQLITE_FULL, Figure
from roundsman.alerts.book import AlertBook, Condition
from roundsman.alerts.condition import Escalation
from roundsman.clock import SystemClock
from roundsman.repositories.alerts import Resolution, Severity
from roundsman.repositories.audience import Audience
from roundsman.repositories.engine import Store, StoreOptions
from roundsman.repositories.notification_claims import NotificationClaims
from roundsman.repositories.notifications import NotificationStatus
from roundsman.repositories.schema import ensure_schema
from roundsman.repositories.tables import notifications

AT_ONCE, WAITING = 200, 10_000
CHANNELS = ("slack", "telegram")
ROUNDS = 9
KIND = "conversation_unreplied"
SINGLE, DIGEST = Audience(digest_from=100_000), Audience("Sales", digest_from=5)
_CLOCK = SystemClock()


def measure() -> Iterator[Figure]:
    """On a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        url = URL.create("sqlite", database=str(Path(folder, "store.db")))
        with closing(Store(StoreOptions(url))) as store:
            ensure_schema(store, backups=Path(folder), clock=_CLOCK)
            book = AlertBook(store, _CLOCK, CHANNELS, lambda: None)
            for name, audience in (("single", SINGLE), ("digest", DIGEST)):
                rounds = [_round(store, book, f"{name}{number}", audience) for number in range(ROUNDS)]
                for what, samples in zip(("fire", "escalate", "resolve"), zip(*rounds, strict=True), strict=True):
                    yield Figure(f"alerts.{what}_{AT_ONCE}.{name}.ms", "ms", SQLITE_FULL, samples)
            yield Figure(f"alerts.claim.{WAITING // 1000}k_waiting.ms", "ms", SQLITE_FULL, _claims(store, book))


def _round(store: Store, book: AlertBook, prefix: str, audience: Audience) -> tuple[float, float, float]:
    """Open, raise and resolve two hundred whose messages have all been sent."""
    conditions = _conditions(prefix, AT_ONCE, audience)
    names = [condition.fingerprint for condition in conditions]

    def fire() -> None:
        with book.transaction("bench") as desk:
            desk.fire_all(conditions)

    def escalate() -> None:
        with book.transaction("bench") as desk:
            desk.escalate_all([Escalation(name, 2, audience, {"waited_minutes": 45}) for name in names])

    def resolve() -> None:
        with book.transaction("bench") as desk:
            desk.resolve_all({name: Resolution("answered", {"answered_by": "Hoa"}) for name in names})

    fired = _timed(fire)
    risen = _timed(escalate)
    with store.write() as connection:
        connection.execute(update(notifications).values(status=NotificationStatus.SENT.value))
    return fired, risen, _timed(resolve)


def _claims(store: Store, book: AlertBook) -> Sequence[float]:
    with store.write() as connection:
        connection.execute(update(notifications).values(status=NotificationStatus.SENT.value))
    with book.transaction("bench") as desk:
        desk.fire_all(_conditions("waiting", WAITING, SINGLE))
    claims = NotificationClaims()

    def claim() -> None:
        with store.write() as connection:
            taken = claims.claim(connection, "slack", "bench/-/1/1", _CLOCK.now(), timedelta(minutes=1))
        if taken is None:
            raise AssertionError("nothing was due")

    return [_timed(claim) for _ in range(60)]


def _conditions(prefix: str, count: int, audience: Audience) -> list[Condition]:
    now = _CLOCK.now()
    facts = {
        "customer_name": "Nguyễn Thị Lan", "page_name": "Shop A", "platform": "messenger", "waited_minutes": 23,
        "threshold_minutes": 15, "link": "https://pancake.vn/shop-a?c_id=1",
    }  # fmt: skip
    return [
        Condition(
            KIND, f"{prefix}-{number}", Severity.MEDIUM, now - timedelta(minutes=23, seconds=number),
            {"page_id": "shop-a"}, facts, audience=audience,
        )
        for number in range(count)
    ]  # fmt: skip


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000
