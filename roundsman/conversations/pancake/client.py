"""What can be asked of Pancake. Only reading: no verb here changes anything there.

Each request waits for its page's turn; failures that pass are asked again a few times, at growing distances, as long as
the errand lasts. What is left is a PancakeError of a known kind.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from roundsman.clock import Clock
from roundsman.conversations.pancake.errand import Errand
from roundsman.conversations.pancake.fault import Fault, PancakeError
from roundsman.conversations.pancake.pacing import Pacing
from roundsman.conversations.pancake.statistics import UserStatistics, date_range, user_statistics
from roundsman.conversations.pancake.token import PageAccess, Token
from roundsman.retry import backoff

CONVERSATIONS_AT_ONCE = 60
MESSAGES_AT_ONCE = 30
REQUEST_TIMEOUT = timedelta(seconds=10)
ATTEMPTS = 3
"""Of one request. What has not passed by then is left to the page's own backoff."""
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=5)
_OF_THE_USER = "user"
"""Stands for the page in the pacing of what is asked with a user's token."""

Object = Mapping[str, Any]


class ListedPage(NamedTuple):
    """A page of the list of pages."""

    page: Object
    token: Token | None
    """The page's own token, where the list shows it."""


class PageUsers(NamedTuple):
    """The people of a page."""

    names: Mapping[str, str]
    """By id, those that were switched off included: they may have answered."""
    inbox_rota: tuple[str, ...]
    """Ids of those among whom new conversations are shared out."""
    comment_rota: tuple[str, ...]


class Window(NamedTuple):
    """Unix seconds between which conversations were changed."""

    since: int
    until: int


class PancakeClient:
    """Asks one Pancake. Safe to use from many threads."""

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        pacing: Pacing | None = None,
        *,
        timeout: timedelta = REQUEST_TIMEOUT,
        rng: random.Random | None = None,
    ) -> None:
        # Here, as it brings requests along, which a daemon without Pancake need not load
        from roundsman.conversations.pancake.transport import Transport

        self._transport = Transport(base_url)
        self._pacing = pacing or Pacing(clock)
        self._timeout = timeout
        self._rng = rng or random.Random()  # noqa: S311  spreads pauses, no secret

    def pages(self, token: Token, errand: Errand) -> list[ListedPage]:
        """Every page of a user. Raises PancakeError, StoppedError; so do all the others."""
        answer = self._get("/api/v1/pages", {}, "access_token", token, _OF_THE_USER, errand)
        sorted_out = answer.get("categorized")
        lists = [answer.get("pages"), answer.get("data")]
        if isinstance(sorted_out, dict):
            lists += [sorted_out.get("activated"), sorted_out.get("inactivated")]
        found = [each for listed in lists if isinstance(listed, list) for each in listed if isinstance(each, dict)]
        if not any(isinstance(listed, list) for listed in lists):
            raise _no_list("pages")
        return [ListedPage(each, _token_in(each)) for each in found]

    def conversations(
        self, page: PageAccess, window: Window, errand: Errand, after: str | None = None
    ) -> Sequence[Object]:
        """Up to sixty conversations changed within the window, those changed last first; `after` is the last one of
        the answer before."""
        params = {"since": str(window.since), "until": str(window.until), "order_by": "updated_at"}
        if after is not None:
            params["last_conversation_id"] = after
        path = f"/api/public_api/v2/pages/{_quoted(page.page_id)}/conversations"
        return _objects(self._of_page(path, params, page, errand), "conversations")

    def messages(
        self,
        page: PageAccess,
        conversation_id: str,
        customer_id: str | None,
        errand: Errand,
        *,
        beyond: int = 0,
    ) -> Sequence[Object]:
        """Up to thirty messages of a conversation, the newest first; `beyond` are passed over."""
        params = {"current_count": str(beyond)} if beyond else {}
        if customer_id is not None:
            params["customer_id"] = customer_id
        path = f"/api/public_api/v1/pages/{_quoted(page.page_id)}/conversations/{_quoted(conversation_id)}/messages"
        return _objects(self._of_page(path, params, page, errand), "messages")

    def users(self, page: PageAccess, errand: Errand) -> PageUsers:
        """The people of a page, and who takes turns."""
        answer = self._of_page(f"/api/public_api/v1/pages/{_quoted(page.page_id)}/users", {}, page, errand)
        listed = [*_objects(answer, "users"), *_maybe(answer.get("disabled_users"))]
        names = {
            str(each["id"]): each["name"] for each in listed if each.get("id") and isinstance(each.get("name"), str)
        }
        rotas = answer.get("round_robin_users")
        rotas = rotas if isinstance(rotas, dict) else {}
        return PageUsers(names, _ids(rotas.get("inbox")), _ids(rotas.get("comment")))

    def statistics(self, page: PageAccess, first: datetime, last: datetime, errand: Errand) -> list[UserStatistics]:
        """What Pancake counts of a page's people between two moments of the page's own clock, both included."""
        path = f"/api/public_api/v1/pages/{_quoted(page.page_id)}/statistics/users"
        return user_statistics(self._of_page(path, {"date_range": date_range(first, last)}, page, errand))

    def close(self) -> None:
        """Let the connections go."""
        self._transport.close()

    def _of_page(self, path: str, params: Mapping[str, str], page: PageAccess, errand: Errand) -> Object:
        return self._get(path, params, "page_access_token", page.token, page.page_id, errand)

    def _get(
        self, path: str, params: Mapping[str, str], token_name: str, token: Token, pace: str, errand: Errand
    ) -> Object:
        attempt = 0
        while True:
            attempt += 1
            errand.wait_until(self._pacing.next_moment(pace))
            errand.requests += 1
            timeout = min(self._timeout, timedelta(seconds=max(errand.seconds_left(), 0.1)))
            try:
                answer = self._transport.get(path, {**params, token_name: token.reveal()}, token.reveal(), timeout)
            except PancakeError as error:
                if error.fault is Fault.RATE_LIMITED:
                    self._pacing.refused(pace)
                if error.fault in (Fault.TOKEN, Fault.GONE) or attempt == ATTEMPTS:
                    raise
                pause = backoff(attempt, first=_FIRST_PAUSE, most=_LONGEST_PAUSE, rng=self._rng)
                if pause.total_seconds() >= errand.seconds_left():
                    raise
                errand.rest(pause)
            else:
                self._pacing.accepted(pace)
                return answer


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _token_in(page: Object) -> Token | None:
    settings = page.get("settings")
    text = settings.get("page_access_token") if isinstance(settings, dict) else None
    return Token(text) if isinstance(text, str) and text.strip() else None


def _objects(answer: Object, name: str) -> list[Object]:
    """The objects of a list. An answer without the list is not the one that was asked for."""
    listed = answer.get(name)
    if not isinstance(listed, list):
        raise _no_list(name)
    return _maybe(listed)


def _maybe(listed: Any) -> list[Object]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _no_list(name: str) -> PancakeError:
    return PancakeError(Fault.BROKEN, f"Pancake's answer holds no list of {name}.", refused=True)


def _ids(listed: Any) -> tuple[str, ...]:
    """Ids of people, who are listed by id or as objects."""
    if not isinstance(listed, list):
        return ()
    found = (each.get("id") if isinstance(each, dict) else each for each in listed)
    return tuple(str(each) for each in found if isinstance(each, str | int) and not isinstance(each, bool))
