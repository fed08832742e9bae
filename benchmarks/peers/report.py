"""What was found: a table for people, and `benchmarks/peers.json` for the record."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.peers.scenarios import CRASH_PATIENCE_S
from benchmarks.peers.tournament import Entry, Result

UNITS = {
    "per_s": ("1/s", "more is better"),
    "p50_ms": ("ms", "less is better"),
    "p99_ms": ("ms", "less is better"),
    "ms": ("ms", "less is better"),
    "all_done_s": ("s", "less is better"),
    "lost": ("jobs", "less is better"),
    "twice": ("jobs", "less is better"),
}
"""By the short name of a figure."""
COUNTS = frozenset({"lost", "twice"})
"""Of which there is no ratio: zero is a usual value."""


def table(results: Sequence[Result]) -> str:
    """Each figure with its entrants: the median, the spread, ours to theirs within the same repetition, durability."""
    lines = []
    for result in results:
        if not _shorts(result):
            lines.append(f"\n{result.contest.name}")
            lines.extend(f"  {entry.name:34} not measured: {entry.reason}" for entry in result.entries)
        for short in _shorts(result):
            unit, better = UNITS[short]
            lines.append(f"\n{result.contest.name}.{short} ({unit}, {better})")
            lines.extend(_row(entry, result.entries[0], short) for entry in result.entries)
    return "\n".join(lines).lstrip("\n")


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """The same by the names of the figures; without what was not measured."""
    figures: dict[str, Any] = {}
    for result in results:
        for short in _shorts(result):
            unit, better = UNITS[short]
            entries = {entry.name: _entry_as_json(entry, result.entries[0], short) for entry in result.entries}
            measured = {name: entry for name, entry in entries.items() if entry is not None}
            figures[f"{result.contest.name}.{short}"] = {"unit": unit, "better": better, "entrants": measured}
    return figures


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The new figures over the old ones; entrants that were not measured this time stay as they were."""
    merged = {**old, **new}
    for name in old.keys() & new.keys():
        merged[name] = {**new[name], "entrants": {**old[name]["entrants"], **new[name]["entrants"]}}
    return merged


def _shorts(result: Result) -> list[str]:
    """Names of the figures that anybody has."""
    measured = [figures for entry in result.entries for figures in entry.repetitions if figures]
    return list(measured[0]) if measured else []


def _samples(entry: Entry, short: str) -> list[float]:
    return [figures[short] for figures in entry.repetitions if figures]


def _ratios(our: Entry, entry: Entry, short: str) -> list[float]:
    """Ours to theirs, within each repetition that has both. Never is taken for our patience, so it is a bound."""
    if entry is our or short in COUNTS:
        return []
    pairs = zip(our.repetitions, entry.repetitions, strict=True)
    return [_bounded(ours[short]) / _bounded(theirs[short]) for ours, theirs in pairs if ours and theirs]


def _bounded(value: float) -> float:
    return CRASH_PATIENCE_S if math.isinf(value) else value


def _row(entry: Entry, our: Entry, short: str) -> str:
    samples = _samples(entry, short)
    name = f"{entry.name} {entry.version}".strip()
    if not samples:
        return f"  {name:34} not measured: {entry.reason}"
    row = f"  {name:34} {_number(median(samples)):>9}  ({_number(min(samples))} to {_number(max(samples))})"
    ratios = _ratios(our, entry, short)
    if ratios:
        row += f"  ours is {median(ratios):.3g} x ({min(ratios):.3g} to {max(ratios):.3g})"
    return f"{row}  [{'; '.join(text for text in (entry.settings, entry.durability) if text)}]"


def _number(value: float) -> str:
    if math.isinf(value):
        return f">{CRASH_PATIENCE_S:.0f}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def _entry_as_json(entry: Entry, our: Entry, short: str) -> dict[str, Any] | None:
    samples = _samples(entry, short)
    if not samples:
        return None
    found: dict[str, Any] = {
        "median": _finite(median(samples)),
        "spread": [_finite(min(samples)), _finite(max(samples))],
        "samples": [_finite(sample) for sample in samples],
        "durability": entry.durability,
    }
    if entry.version:
        found |= {"version": entry.version, "settings": entry.settings}
    ratios = _ratios(our, entry, short)
    if ratios:
        low, high = min(ratios), max(ratios)
        found["ours_to_it"] = {"median": round(median(ratios), 4), "spread": [round(low, 4), round(high, 4)]}
    return found


def _finite(value: float) -> float | str:
    """JSON knows no infinity: it stands for a time beyond our patience."""
    return f">{CRASH_PATIENCE_S:.0f}" if math.isinf(value) else round(value, 4)
