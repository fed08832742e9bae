"""`make bench-peers`: measure ours and its peers in turn, print the table, write `benchmarks/peers.json`."""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import FrameType

from benchmarks.peers import ours, report
from benchmarks.peers.contests import CONTESTS, Contest
from benchmarks.peers.ground import Ground, prepared
from benchmarks.peers.tournament import Tournament

RESULTS = Path(__file__).parents[1] / "peers.json"
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """See --help. Ends with 2 on a wrong argument and with 130 when interrupted; everything started is stopped."""
    options = _parser().parse_args(arguments)
    only = [name for name in options.only.split(",") if name]
    unknown = [name for name in only if not any(_is(name, known) for known in _names())]
    if unknown:
        print(f"no peer {', '.join(unknown)}; there are {', '.join(sorted(_names()))}", file=sys.stderr)
        return 2
    contests = _chosen(only)
    signal.signal(signal.SIGTERM, _interrupt)
    begun = time.monotonic()
    stop = Event()
    try:
        with prepared({home for contest in contests for home in contest.homes}, stop) as ground:
            tournament = Tournament(ground, contests, options.scale)
            load = os.getloadavg()[0]
            for number in range(1, options.repetitions + 1):
                tournament.repeat(f"[{number}/{options.repetitions}]")
            machine = _machine(ground, load)
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    print(f"\n{report.table(tournament.results)}\n\n{(time.monotonic() - begun) / 60:.1f} min")
    if options.scale != 1 and options.results == RESULTS:
        print("sizes were scaled, so nothing was written")
        return 0
    old = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else {"figures": {}}
    figures = report.merge(old["figures"], report.as_json(tournament.results))
    text = json.dumps({"figures": figures, "machine": machine}, indent=2, sort_keys=True)
    options.results.write_text(text + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", default="", help="peers, with commas between them; dbos means all that begin so")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 makes all drains ten times smaller, for a trial")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file that the figures are merged into")
    return parser


def _names() -> set[str]:
    return {ours.NAME, *(peer.name for contest in CONTESTS for peer, _ in contest.entrants)}


def _is(name: str, known: str) -> bool:
    return known == name or known.startswith(f"{name}-")


def _chosen(only: Sequence[str]) -> list[Contest]:
    """The contests with the chosen peers, ours always among them; all when nothing was chosen."""
    if not only:
        return list(CONTESTS)
    narrowed = []
    for contest in CONTESTS:
        chosen = [(peer, size) for peer, size in contest.entrants if any(_is(name, peer.name) for name in only)]
        narrowed.append(replace(contest, entrants=chosen))
    return [contest for contest in narrowed if contest.entrants or ours.NAME in only]


def _machine(ground: Ground, load: float) -> dict[str, object]:
    servers = [server.version for server in (ground.postgres, ground.redis) if server]
    return {"cpus": os.cpu_count(), "python": platform.python_version(), "servers": servers, "load_before": load}


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
