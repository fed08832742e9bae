"""What tests of the Pancake source share: parts over a fake server, on a clock that runs only while somebody waits."""

from datetime import datetime, timedelta
from typing import Any

from fake_pancake import FakePancake

from roundsman.clock import ManualClock
from roundsman.conversations.intake import Intake
from roundsman.conversations.keeper import WatchKeeper
from roundsman.conversations.pancake.client import PancakeClient
from roundsman.conversations.pancake.errand import Errand
from roundsman.conversations.pancake.page_syncer import PageSyncer, Stand, SyncCounts, SyncOptions
from roundsman.conversations.pancake.token import PageAccess, Token
from roundsman.conversations.policies.book import PolicyBook
from roundsman.repositories.conversations import ConversationRepository, MessageRecord, WatchedConversation
from roundsman.repositories.engine import Store
from roundsman.repositories.page_syncs import PageSync, PageSyncRepository
from roundsman.repositories.watch_list import AnsweringClock
from roundsman.scheduling.job import StopToken

PAGE = "100"


def staff(page_id: str = PAGE) -> dict[str, Any]:
    return {"id": page_id, "name": "Shop", "uid": "u1", "admin_id": "7", "admin_name": "Lan"}


class Hurry:
    """Waiting is letting the clock run."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.waits: list[float] = []

    def __call__(self, stop: StopToken, seconds: float) -> bool:
        self.waits.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))
        return stop.is_set()


class Bench:
    """A client and a syncer over a fake and a store."""

    def __init__(self, fake: FakePancake, store: Store, clock: ManualClock, options: SyncOptions | None = None) -> None:
        self.fake = fake
        self.store = store
        self.clock = clock
        self.pause = Hurry(clock)
        self.stop = StopToken()
        self.client = client_of(fake, clock)
        self.intake = Intake(
            store, WatchKeeper(PolicyBook.of_settings(AnsweringClock.HUMAN, timedelta(minutes=15), comments=False))
        )
        self.options = options or SyncOptions()
        self.syncer = PageSyncer(self.client, store, self.intake, clock, self.options)
        self.counts = SyncCounts()

    def close(self) -> None:
        self.client.close()

    def errand(self, seconds: float = 600) -> Errand:
        return Errand(self.clock, self.stop, seconds, self.pause)

    def access(self, page_id: str = PAGE) -> PageAccess:
        return PageAccess(page_id, Token(self.fake.pages[page_id].token))

    def advance(self, page_id: str = PAGE, seconds: float = 300) -> Stand:
        return self.syncer.advance(self.access(page_id), self.errand(), self.counts, seconds)

    def sync(self, page_id: str = PAGE) -> None:
        """Until a round is complete."""
        for _ in range(1000):
            if self.advance(page_id) is Stand.COMPLETE:
                return
        raise AssertionError("no end of it")

    def state(self, page_id: str = PAGE) -> PageSync:
        with self.store.read() as connection:
            found = PageSyncRepository().find(connection, page_id)
        assert found is not None
        return found

    def fresh_at(self, page_id: str = PAGE) -> datetime | None:
        return self.state(page_id).fresh_at

    def stored(self) -> dict[str, WatchedConversation]:
        with self.store.read() as connection:
            return {
                each.conversation.conversation_id: each
                for batch in ConversationRepository().all(connection)
                for each in batch
            }

    def messages(self) -> dict[str, MessageRecord]:
        ids = self.stored().keys()
        with self.store.read() as connection:
            threads = ConversationRepository().threads(connection, ids)
        return {each.message_id: each for thread in threads.values() for each in thread}


def client_of(fake: FakePancake, clock: ManualClock, **options: Any) -> PancakeClient:
    return PancakeClient(fake.url, clock, **options)


def truth(fake: FakePancake) -> set[str]:
    """The ids of all messages there."""
    return {name for page in fake.pages.values() for thread in page.messages.values() for name in thread}
