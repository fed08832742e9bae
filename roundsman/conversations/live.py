"""What brings news of conversations from outside, round by round."""

from collections.abc import Mapping
from typing import Protocol

from roundsman.scheduling.job import StopToken


class LiveSync(Protocol):
    """One source of news."""

    name: str

    def run_once(self, stop: StopToken) -> Mapping[str, int]:
        """Bring everything that is new; returns counters for the ledger.

        Raises SourceError when the source cannot be asked, StoreError, and StoppedError. What was brought stays.
        """
        ...
