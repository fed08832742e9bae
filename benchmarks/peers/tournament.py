"""The course of the measurement: in each repetition every contest, in each contest ours and then its peers in turn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

from benchmarks.peers import ours
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.contests import Contest
from benchmarks.peers.ground import Ground
from benchmarks.peers.ours import NotMeasuredError
from benchmarks.peers.program import PeerFailedError, StoppedError
from benchmarks.peers.servers import ServerMissingError

SMALLEST = 20
"""No contest is scaled below this size."""

Figures = Mapping[str, float]


@dataclass
class Entry:
    """What became of one side in one contest."""

    name: str
    settings: str
    durability: str
    version: str = ""
    repetitions: list[Figures | None] = field(default_factory=list)
    """None where it was not measured."""
    reason: str = ""
    """Why it was last not measured."""


@dataclass
class Result:
    """One contest: ours first, then the peers."""

    contest: Contest
    entries: list[Entry]


@dataclass(frozen=True)
class _Turn:
    """One measurement to make."""

    title: str
    entry: Entry
    measure: Callable[[], Figures]
    waits: bool
    copies: int


class Tournament:
    """All chosen contests. `results` is complete up to the last finished repetition."""

    def __init__(self, ground: Ground, contests: Sequence[Contest], scale: float) -> None:
        self._ground = ground
        self._turns: list[_Turn] = []
        self.results = [self._enter(contest, scale) for contest in contests]

    def repeat(self, title: str) -> None:
        """One repetition."""
        for turn in self._turns:
            if not turn.waits:
                _note(title, turn, [_attempt(turn)])
        waiting = [turn for turn in self._turns if turn.waits]
        if not waiting:
            return
        print(f"{title} {', '.join(turn.title for turn in waiting)}: side by side, they mostly wait", flush=True)
        with self._pool(sum(turn.copies for turn in waiting)) as pool:
            begun = [(turn, [pool.submit(_attempt, turn) for _ in range(turn.copies)]) for turn in waiting]
            for turn, copies in begun:
                _note(title, turn, [copy.result() for copy in copies])

    @contextmanager
    def _pool(self, size: int) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(size) as pool:
            try:
                yield pool
            except BaseException:
                self._ground.stop.set()  # or leaving the pool would wait for the end of all waiting
                raise

    def _enter(self, contest: Contest, scale: float) -> Result:
        def size(full: int) -> int:
            return max(min(SMALLEST, full), round(full * scale)) if contest.scalable else full

        our = Entry(ours.NAME, "", ours.durability(self._ground, contest.home))
        our_size = size(contest.our_size)
        self._turns.append(
            _Turn(
                f"{contest.name}: {ours.NAME}",
                our,
                lambda: contest.ours(self._ground, contest.home, our_size),
                contest.we_wait,
                contest.copies,
            )
        )
        entries = [our]
        for peer, full in contest.entrants:
            entry = Entry(peer.name, peer.settings, peer.durability or self._ground.durability(peer.home))
            entries.append(entry)
            measure = self._measure(contest, peer, size(full), entry)
            self._turns.append(
                _Turn(f"{contest.name}: {peer.name}", entry, measure, contest.peers_wait, contest.copies)
            )
        return Result(contest, entries)

    def _measure(self, contest: Contest, peer: Peer, size: int, entry: Entry) -> Callable[[], Figures]:
        def measure() -> Figures:
            with self._ground.stage(peer) as stage:
                entry.version = stage.version
                return contest.measure(stage, size)

        return measure


def _attempt(turn: _Turn) -> Figures | str:
    """The figures, or why there are none."""
    try:
        return turn.measure()
    except (NotMeasuredError, PeerFailedError, ServerMissingError) as error:
        return str(error)
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001  the fault of one side must not cost the others their figures
        return f"{type(error).__name__}: {error}"


def _note(title: str, turn: _Turn, attempts: Sequence[Figures | str]) -> None:
    measured = [attempt for attempt in attempts if not isinstance(attempt, str)]
    if measured:
        figures = {short: median(one[short] for one in measured) for short in measured[0]}
        turn.entry.repetitions.append(figures)
        told = ", ".join(f"{short} {value:,.1f}" for short, value in figures.items())
    else:
        turn.entry.repetitions.append(None)
        turn.entry.reason = told = next(attempt for attempt in attempts if isinstance(attempt, str))
        told = f"not measured: {told}"
    print(f"{title} {turn.title}: {told}", flush=True)
