"""A round of the engine: what has happened since its last commit, and what that commit has made of it."""

from dataclasses import dataclass, field

from roundsman.errors import StoreError
from roundsman.message import Message
from roundsman.repositories.run_claims import ClaimedRun
from roundsman.repositories.run_record import Unit
from roundsman.runs.admission import Admitted
from roundsman.runs.held import CallMade, Held, StepEnded
from roundsman.runs.submission import Submission
from roundsman.runs.verdict import Decision


@dataclass
class Round:
    """What has happened since the last commit. It is written as a whole, again and again until that succeeds."""

    ended: list[StepEnded] = field(default_factory=list)
    calls: list[CallMade] = field(default_factory=list)
    timers: list[Held] = field(default_factory=list)
    refusals: list[tuple[Held, str]] = field(default_factory=list)
    put_back: list[Held] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)

    def __bool__(self) -> bool:
        happened = self.ended or self.calls or self.timers or self.refusals or self.put_back
        return bool(happened or self.submissions)

    def decline_submissions(self) -> None:
        """Whoever submitted stores it himself."""
        for submission in self._without_submissions():
            submission.decline()

    def fail_submissions(self, error: StoreError) -> None:
        """Whoever submitted hears of the fault."""
        for submission in self._without_submissions():
            submission.failed(error)

    def _without_submissions(self) -> list[Submission]:
        submissions, self.submissions = self.submissions, []
        return submissions

    def touched(self) -> list[Held]:
        """Every run that something is written for."""
        return [
            *(each.held for each in self.ended),
            *(each.held for each in self.calls),
            *self.timers,
            *(held for held, _ in self.refusals),
            *self.put_back,
        ]


@dataclass
class Written:
    """What a transaction has done, to be followed in memory once it is committed."""

    decisions: list[tuple[Held, Decision]] = field(default_factory=list)
    lost: list[Held] = field(default_factory=list)
    calls: list[CallMade] = field(default_factory=list)
    refused_calls: list[CallMade] = field(default_factory=list)
    lines: list[tuple[Held, int]] = field(default_factory=list)
    """How many lines of each run were stored."""
    claimed: list[tuple[ClaimedRun, Message, list[Unit]]] = field(default_factory=list)
    admitted: Admitted = field(default_factory=Admitted)
    received: int = 0
    """Messages that came, claimable or not."""
    look_again: bool = False
    """Something may be due that was not: what went back to the queue, the next of a group."""


@dataclass(frozen=True)
class Rooms:
    """For how many more runs there is room."""

    queued: int = 0
    """That come out of the queue."""
    submitted: int = 0
    """That are submitted at this moment, and go past the queue."""
