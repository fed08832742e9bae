"""The settings by which a daemon drives runs, written beside it so that others can see what holds runs back there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from roundsman.clock import short_duration
from roundsman.message import KindLimits, Rate


@dataclass(frozen=True)
class DrivingFacts:
    """What is in force in one process."""

    queue: str
    """The queue's name, safe to print."""
    workers: int
    limits: Mapping[str, KindLimits] = field(default_factory=dict)
    """By workflow; one without an entry has none."""

    def as_json(self) -> dict[str, Any]:
        """As the store holds it."""
        return {
            "queue": self.queue,
            "workers": self.workers,
            "limits": {name: _as_json(limits) for name, limits in self.limits.items()},
        }

    @classmethod
    def parse(cls, stored: Mapping[str, Any] | None) -> "DrivingFacts | None":
        """None: it drives no runs, or another version of this program wrote it."""
        try:
            return None if stored is None else cls(
                stored["queue"], stored["workers"],
                {name: _parse(limits) for name, limits in stored["limits"].items()},
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def differences(self, here: "DrivingFacts") -> Iterator[str]:
        """`WORKER_CONCURRENCY is 8 (here 4)`, for each setting that is another one here."""
        if self.queue != here.queue:
            yield f"the queue is {self.queue} (here {here.queue})"
        if self.workers != here.workers:
            yield f"WORKER_CONCURRENCY is {self.workers} (here {here.workers})"
        for name in sorted(self.limits.keys() | here.limits.keys()):
            theirs, ours = self.limits.get(name, KindLimits()), here.limits.get(name, KindLimits())
            if theirs.concurrency != ours.concurrency:
                yield f"the concurrency of {name} is {_words(theirs.concurrency)} (here {_words(ours.concurrency)})"
            if theirs.rate != ours.rate:
                yield f"the rate of {name} is {_rate_words(theirs.rate)} (here {_rate_words(ours.rate)})"


def _as_json(limits: KindLimits) -> dict[str, Any]:
    rate = limits.rate
    return {
        "concurrency": limits.concurrency,
        "rate": None if rate is None else [rate.count, rate.per.total_seconds()],
    }


def _parse(stored: Mapping[str, Any]) -> KindLimits:
    rate = stored["rate"]
    return KindLimits(stored["concurrency"], None if rate is None else Rate(rate[0], timedelta(seconds=rate[1])))


def _words(number: int | None) -> str:
    return "no limit" if number is None else str(number)


def _rate_words(rate: Rate | None) -> str:
    return "no limit" if rate is None else f"{rate.count} in {short_duration(rate.per)}"
