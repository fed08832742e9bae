"""Everything about conversations, joined once from the settings: policies, sources, the watch list's keeper."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from config import Settings
from roundsman.alerts.verification import Verifier
from roundsman.app.mongo import PATIENCE, MongoParts
from roundsman.clock import Clock
from roundsman.conversations.intake import Intake
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.live import LiveSync
from roundsman.conversations.pancake.live import LivePancake
from roundsman.conversations.pancake.page_syncer import SOURCE
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import ConversationSource, StoreSource
from roundsman.errors import ConfigurationError
from roundsman.monitor.case import KIND
from roundsman.monitor.last_look import LastLook
from roundsman.repositories.alerts import Alert, Resolution
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSyncRepository

if TYPE_CHECKING:
    from roundsman.conversations.importer import Importer


class ConversationParts:
    """The parts that conversations need, each made when it is first asked for.

    `policies` reads those in force, `store` opens the store.
    """

    def __init__(
        self, settings: Settings, policies: Callable[[], PolicyBook], store: Callable[[], Store], clock: Clock
    ) -> None:
        self._settings = settings
        self._read_policies = policies
        self._store = store
        self._clock = clock
        self._contact_within: timedelta | None = PATIENCE
        self.pages_before: frozenset[str] = frozenset()
        """Pages that settings of before have had read from Pancake, as long as this process has lived."""

    def serve(self) -> None:
        """Nobody sits and waits for an answer: from now on a MongoDB that is away for a moment is waited for."""
        self._contact_within = None

    @cached_property
    def policies(self) -> PolicyBook:
        """When a conversation is late. Raises ConfigurationError."""
        return self._read_policies()

    @cached_property
    def source(self) -> ConversationSource:
        """Where conversations are read."""
        if self.mongo is not None:
            return self.mongo.source()
        return StoreSource(self.pancake.rereader if self._settings.pancake else None)

    @cached_property
    def pancake(self) -> LivePancake:
        """Pancake as a live source. Raises ConfigurationError where it is not set up."""
        from roundsman.app.pancake import live_pancake

        return live_pancake(self._settings, self._store(), self.intake, self._clock)

    @cached_property
    def mongo(self) -> MongoParts | None:
        """FolkForm's MongoDB, if conversations are read there."""
        settings = self._settings.mongo
        return None if settings is None else MongoParts(settings, self._contact_within)

    @cached_property
    def mongo_sync(self) -> LiveSync:
        """What keeps the watch list true to it. Raises ConfigurationError where it is not set up."""
        if self.mongo is None:
            raise ConfigurationError(["MONGO_URL: is not set, so there is no MongoDB to be read."])
        return self.mongo.sync(self._store(), self.keeper, self._clock)

    @cached_property
    def keeper(self) -> WatchKeeper:
        """What keeps the watch list true to the conversations."""
        return WatchKeeper(self.policies)

    @cached_property
    def intake(self) -> Intake:
        """Where news of live sources enters the store."""
        return Intake(self._store(), self.keeper)

    @cached_property
    def importer(self) -> "Importer":
        """What brings exports into the store."""
        from roundsman.conversations.importer import Importer

        return Importer(self._store(), self._clock, self.keeper)

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        """Who looks once more before somebody is alarmed, by kind of alert."""

        def look(alerts: Sequence[Alert]) -> Mapping[str, Resolution]:
            return LastLook(self._store(), self._clock, self.policies, self.source)(alerts)  # as of the last reload

        return {KIND: look}

    def settle_pages(self) -> None:
        """Pages of a MongoDB that is no longer read can grow stale no more, and another source must not go on from
        their marks. Those of Pancake are asked at once, whatever failed before: their tokens may be new.

        Raises StoreError.
        """
        syncs = PageSyncRepository()
        with self._store().read() as connection:
            sources = {page_id: each.source for page_id, each in syncs.all(connection).items()}
        ours = {page_id for page_id, source in sources.items() if source == SOURCE}
        others = sources.keys() - ours if self._settings.mongo is None else set()
        if ours or others:
            with self._store().write() as connection:
                syncs.forget(connection, others)
                syncs.retry_now(connection, ours)

    def pages_set_up(self) -> frozenset[str] | None:
        """The pages that the settings have read from Pancake. None: they mean all of a user's, and those are not known
        yet, or the list of them is empty, which is rather a fault of Pancake's."""
        chosen = self._settings.pancake
        if chosen is None:
            return frozenset()
        if chosen.page_tokens:
            return frozenset(chosen.page_tokens)
        pancake: LivePancake | None = self.__dict__.get("pancake")
        return frozenset(pancake.directory.pages()) or None if pancake is not None else None

    def replace(self, settings: Settings, policies: PolicyBook) -> None:
        """Go on with other settings and these policies; a job under way keeps its own."""
        self.pages_before |= self.pages_set_up() or frozenset()
        if settings.pancake != self._settings.pancake:
            for part in ("pancake", "source"):  # made anew when next asked for
                self.__dict__.pop(part, None)
        self._settings, self.policies = settings, policies
        self.keeper.replace(policies)

    def close(self) -> None:
        """Let connections go, if there are any."""
        if self.__dict__.get("mongo") is not None:
            self.__dict__["mongo"].close()
