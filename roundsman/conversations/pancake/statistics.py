"""What Pancake itself counts of a page's people: `statistics/users`, read as tolerantly as its documents are vague.

They name the fields and show one example; which messages are counted, and how an average is made, they do not say. An
average of 0 is one that was not measured. It is told in milliseconds, as the documents have it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from roundsman.conversations.pancake.fault import Fault, PancakeError

_AS_WANTED = "%d/%m/%Y %H:%M:%S"


class UserStatistics(NamedTuple):
    """One person on one page."""

    name: str
    """The id, where none is told."""
    messages: int
    """That the person wrote in the inbox."""
    average: timedelta | None
    """How long an answer took; None: not measured."""


def date_range(first: datetime, last: datetime) -> str:
    """A time of the page's own clock as the request wants it; both ends count."""
    return f"{first.strftime(_AS_WANTED)} - {last.strftime(_AS_WANTED)}"


def user_statistics(answer: Mapping[str, Any]) -> list[UserStatistics]:
    """The people in an answer. Raises PancakeError if it holds none that could be listed."""
    data = answer.get("data")
    users = (data if isinstance(data, dict) else answer).get("users")
    if users == []:  # an empty object, as some languages write it
        return []
    if not isinstance(users, dict):
        raise PancakeError(Fault.BROKEN, "Pancake's answer holds no statistics of users.", refused=True)
    return [_user(user_id, each) for user_id, each in users.items() if isinstance(each, dict)]


def _user(user_id: str, told: Mapping[str, Any]) -> UserStatistics:
    name = told.get("user_name")
    milliseconds = _number(told.get("average_response_time"))
    return UserStatistics(
        name if isinstance(name, str) and name.strip() else user_id,
        int(_number(told.get("inbox_count"))),
        timedelta(milliseconds=milliseconds) if milliseconds else None,
    )


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e12 else 0.0
