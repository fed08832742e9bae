"""Which pages we may read, by which tokens, and what they are called.

Pages that the settings name come with their tokens. If they name none, it is those of the user's list that show a token
of their own. A page without one is left alone: to make one would end the old one, which others may be using.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from roundsman import logs
from roundsman.clock import Clock
from roundsman.conversations.document import BrokenFieldError
from roundsman.conversations.intake import Batch, Intake
from roundsman.conversations.pancake.client import ListedPage, PancakeClient
from roundsman.conversations.pancake.errand import Errand
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.conversations.pancake.objects import read_page
from roundsman.conversations.pancake.token import PageAccess, Token
from roundsman.repositories.conversations import ConversationRepository, Page
from roundsman.repositories.engine import Store

LIST_LIVES = timedelta(hours=1)
ASK_AGAIN_AFTER = timedelta(minutes=5)
"""When the list could not be had."""

log = logging.getLogger(__name__)


class PageDirectory:
    """Safe to read from many threads; one of them refreshes it."""

    def __init__(
        self,
        client: PancakeClient,
        store: Store,
        intake: Intake,
        clock: Clock,
        given: Mapping[str, Token],
        user: Token | None,
    ) -> None:
        self.trouble: PancakeError | None = None
        """Why the list of pages could not be had when it was last asked for."""
        self._user = user
        self._client = client
        self._store = store
        self._intake = intake
        self._clock = clock
        self._given = {page_id: PageAccess(page_id, token) for page_id, token in given.items()}
        self._listed: dict[str, PageAccess] = {}
        self._has_list = False
        self._ask_at: float | None = None
        self._repository = ConversationRepository()

    def refresh(self, errand: Errand) -> None:
        """Ask for the list of pages when it is time to. Raises PancakeError, StoppedError, StoreError."""
        now = self._clock.monotonic()
        if self._user is None or (self._ask_at is not None and now < self._ask_at):
            return
        self._ask_at = now + ASK_AGAIN_AFTER.total_seconds()
        try:
            listed = self._client.pages(self._user, errand)
        except PancakeError as error:
            self.trouble = error
            raise
        self.trouble = None
        self._take(listed, self._clock.now())
        self._ask_at = now + LIST_LIVES.total_seconds()

    def pages(self) -> dict[str, PageAccess]:
        """All that we may read, by id."""
        return dict(self._given or self._listed)

    @property
    def is_known(self) -> bool:
        """Whether `pages` are all of them: the list may not have been had yet."""
        return bool(self._given) or self._has_list

    def find(self, page_id: str, errand: Errand) -> PageAccess | None:
        """One of them, or None if it is none of Pancake's; asks for the list if nobody has yet.

        Raises PancakeError, StoppedError, StoreError.
        """
        if not self.is_known:
            self.refresh(errand)
        if not self.is_known:
            raise PancakeError(Fault.TEMPORARY, "The list of pages could not be had a moment ago.")
        return self.pages().get(page_id)

    def expiries(self) -> dict[str | None, datetime]:
        """When tokens expire of which that can be told, by page; that of the user is under None."""
        found: dict[str | None, datetime] = {}
        for page_id, token in (*((each.page_id, each.token) for each in self.pages().values()), (None, self._user)):
            if token is not None and (expires_at := token.expires_at) is not None:
                found[page_id] = expires_at
        return found

    def _take(self, listed: list[ListedPage], now: datetime) -> None:
        """Remember the tokens, never outside of this process, and store the names."""
        pages: dict[str, Page] = {}
        tokens: dict[str, PageAccess] = {}
        for each in listed:
            try:
                page = read_page(each.page)
            except BrokenFieldError as error:
                log.warning("A page of the list was passed over: its %s %s", error.field, error.reason)
                continue
            pages[page.page_id] = page
            if each.token is not None:
                logs.hide([each.token.reveal()])
                tokens[page.page_id] = PageAccess(page.page_id, each.token)
        if not self._given and len(tokens) < len(pages):
            log.warning(
                "%d pages are not synced, as the list shows no token for them: %s; PANCAKE_PAGE_ACCESS_TOKENS takes it",
                len(pages) - len(tokens), ", ".join(sorted(pages.keys() - tokens.keys())[:10]),
            )  # fmt: skip
        self._listed, self._has_list = tokens, True
        self._store_names([page for page_id, page in pages.items() if page_id in self.pages()], now)

    def _store_names(self, pages: list[Page], now: datetime) -> None:
        """Whether a page is synced is not Pancake's to say, and stays as it is."""
        with self._store.read() as connection:
            stored = self._repository.pages(connection)
        news = []
        for page in pages:
            old = stored.get(page.page_id)
            if old is None:
                news.append(page)
            elif old.source_updated_at is None and page != old._replace(is_synced=True):
                news.append(page._replace(is_synced=old.is_synced))
        if news:
            self._intake.take(Batch(pages=news), now)
