"""The parts of Pancake as a live source, joined: they share one client, and with it each page's pace."""

from collections.abc import Mapping
from dataclasses import dataclass

from roundsman.clock import Clock
from roundsman.conversations.intake import Intake
from roundsman.conversations.pancake.client import PancakeClient
from roundsman.conversations.pancake.directory import PageDirectory
from roundsman.conversations.pancake.errand import Errand, Pause
from roundsman.conversations.pancake.page_syncer import PageSyncer, SyncOptions
from roundsman.conversations.pancake.rereader import PancakeRereader
from roundsman.conversations.pancake.token import Token
from roundsman.repositories.engine import Store
from roundsman.scheduling.job import StopToken


@dataclass(frozen=True)
class PancakeOptions:
    """Where Pancake is, and what opens it."""

    base_url: str
    page_tokens: Mapping[str, Token]
    user_token: Token | None
    sync: SyncOptions


class LivePancake:
    """What jobs need of it. Nothing is asked before somebody does."""

    def __init__(
        self, options: PancakeOptions, store: Store, intake: Intake, clock: Clock, pause: Pause = StopToken.wait
    ) -> None:
        client = PancakeClient(options.base_url, clock)
        self.client = client
        self.directory = PageDirectory(client, store, intake, clock, options.page_tokens, options.user_token)
        self.syncer = PageSyncer(client, store, intake, clock, options.sync)
        self.rereader = PancakeRereader(client, self.directory, intake, clock, pause=pause)
        self._clock = clock
        self._pause = pause

    def errand(self, stop: StopToken, seconds: float) -> Errand:
        """One that lasts so long."""
        return Errand(self._clock, stop, seconds, self._pause)

    def close(self) -> None:
        """Let the connections go."""
        self.client.close()
