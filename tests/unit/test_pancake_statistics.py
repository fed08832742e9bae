"""What Pancake counts of people, in every form in which it may come."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roundsman.conversations.pancake.fault import PancakeError
from roundsman.conversations.pancake.statistics import UserStatistics, date_range, user_statistics

LAN = UserStatistics("Lan", 637, timedelta(milliseconds=588_569))
TOLD = {"user_name": "Lan", "user_fb_id": "5", "average_response_time": 588_569, "inbox_count": 637}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"success": True, "data": {"statistics": {}, "users": {"u1": TOLD}}}, [LAN]),
        ({"users": {"u1": TOLD}}, [LAN]),
        ({"data": {"users": {}}}, []),
        ({"data": {"users": []}}, []),
        ({"data": {"users": {"u1": {"user_name": " "}, "u2": None}}}, [UserStatistics("u1", 0, None)]),
        (
            {"data": {"users": {"u1": {**TOLD, "average_response_time": 0, "inbox_count": "many"}}}},
            [UserStatistics("Lan", 0, None)],
        ),
        ({"data": {"users": {"u1": {**TOLD, "inbox_count": -1, "average_response_time": True}}}},
         [UserStatistics("Lan", 0, None)]),
    ],
)  # fmt: skip
def test_people_are_read_from_whatever_holds_them(answer: dict[str, Any], found: list[UserStatistics]) -> None:
    assert user_statistics(answer) == found


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": {"users": "none"}}, {"data": {"users": [TOLD]}}])
def test_an_answer_without_people_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(PancakeError, match="holds no statistics of users"):
        user_statistics(answer)


def test_a_day_is_asked_for_as_pancake_writes_it() -> None:
    first, last = datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 3, 23, 59, 59, tzinfo=UTC)
    assert date_range(first, last) == "03/03/2026 00:00:00 - 03/03/2026 23:59:59"
