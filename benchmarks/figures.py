"""A figure: what was measured, how often, and how durable it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

NO_STORE = "no store involved"
SQLITE_FULL = "SQLite, WAL, synchronous=FULL"


@dataclass(frozen=True)
class Figure:
    """Samples of one quantity. The median is quoted; the spread tells how noisy the machine was."""

    name: str
    unit: str
    durability: str
    samples: Sequence[float]

    @property
    def value(self) -> float:
        return median(self.samples)

    def as_json(self) -> dict[str, object]:
        return {
            "value": round(self.value, 4),
            "unit": self.unit,
            "durability": self.durability,
            "spread": [round(min(self.samples), 4), round(max(self.samples), 4)],
            "samples": len(self.samples),
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share (0 to 1) of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
