"""The last look before people are told: the newest messages of a conversation, asked from Pancake at that moment.

A sync may be a minute old, and an answer of the last minute makes an alert wrong. Pancake has no call for a
conversation, so it is its messages that are read: one request each, at the pace that the page's sync is part of. It
takes a few seconds at most; what was not read by then is named.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from roundsman.clock import Clock
from roundsman.conversations.intake import Batch, Intake
from roundsman.conversations.pancake.client import PancakeClient
from roundsman.conversations.pancake.crew import Crew
from roundsman.conversations.pancake.directory import PageDirectory
from roundsman.conversations.pancake.errand import Errand, Pause
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.conversations.pancake.threads import Reach, read_thread
from roundsman.conversations.pancake.token import PageAccess
from roundsman.conversations.source import Reread
from roundsman.errors import StoreError
from roundsman.repositories.conversations import MessageRecord, WatchedConversation
from roundsman.scheduling.job import StoppedError, StopToken

TIME = timedelta(seconds=10)
"""For all that is asked at once."""
THREADS = 4

log = logging.getLogger(__name__)


class PancakeRereader:
    """See `Rereader`."""

    def __init__(
        self,
        client: PancakeClient,
        directory: PageDirectory,
        intake: Intake,
        clock: Clock,
        *,
        time: timedelta = TIME,
        pause: Pause = StopToken.wait,
    ) -> None:
        self._client = client
        self._directory = directory
        self._intake = intake
        self._clock = clock
        self._time = time
        self._pause = pause

    def reread(self, conversations: Sequence[WatchedConversation], now: datetime, stop: StopToken) -> Reread:
        """Read the newest messages of these, several pages at a time."""
        by_page: dict[str, list[WatchedConversation]] = defaultdict(list)
        for each in conversations:
            by_page[each.conversation.page_id].append(each)
        failed = {each.conversation.conversation_id: "There was no time left to ask Pancake." for each in conversations}
        unasked: set[str] = set()
        ends = self._clock.monotonic() + self._time.total_seconds()

        def page(page_id: str) -> bool:
            self._read_page(by_page[page_id], failed, unasked, ends, now, stop)
            return False

        try:
            Crew(sorted(by_page), page, stop).work(THREADS, lambda: self._clock.monotonic() >= ends)
        except StoppedError:
            failed = dict.fromkeys(failed, "It was asked to stop.")
        except StoreError as error:
            failed = dict.fromkeys(failed, str(error))
        read = {each.conversation.conversation_id for each in conversations} - failed.keys() - unasked
        return Reread(read, dict(failed))

    def _read_page(
        self,
        conversations: Sequence[WatchedConversation],
        failed: dict[str, str],
        unasked: set[str],
        ends: float,
        now: datetime,
        stop: StopToken,
    ) -> None:
        """The conversations of one page; those that come through are taken out of `failed`, as are those of
        which nobody can be asked."""
        page_id = conversations[0].conversation.page_id
        errand = Errand(self._clock, stop, ends - self._clock.monotonic(), self._pause)
        names = [each.conversation.conversation_id for each in conversations]
        try:
            access = self._directory.find(page_id, errand)
        except PancakeError as error:
            failed.update(dict.fromkeys(names, error.reason))
            return
        if access is None:  # a page of an import, or one that another daemon syncs: nobody was asked
            for name in names:
                failed.pop(name, None)
            unasked.update(names)
            return
        read: dict[str, dict[str, MessageRecord]] = {}
        reasons: dict[str, str] = {}
        for each in conversations:
            name = each.conversation.conversation_id
            try:
                read[name] = self._newest(each, access, errand)
            except PancakeError as error:
                reasons[name] = error.reason
                if error.fault is Fault.TOKEN or errand.seconds_left() <= 0:
                    reasons = dict.fromkeys(names, error.reason)
                    break
        messages = {message_id: message for thread in read.values() for message_id, message in thread.items()}
        stop.check()
        # As known at the moment of the look that asked for it: whoever walks through the past again must find it there
        self._intake.take(Batch(messages=list(messages.values())), now)
        failed.update(reasons)
        for name in read:
            failed.pop(name, None)

    def _newest(self, watched: WatchedConversation, access: PageAccess, errand: Errand) -> dict[str, MessageRecord]:
        conversation = watched.conversation
        thread = read_thread(
            self._client,
            access,
            conversation.conversation_id,
            conversation.customer_id,
            errand,
            Reach(),
            most=1,
        )
        return thread.messages
