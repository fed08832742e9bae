"""Who is excluded, and the verdict with its precedence."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from chats import policies
from hypothesis import given
from hypothesis import strategies as st

from roundsman.conversations.exclusions import EXCLUDED_TAGS
from roundsman.conversations.verdict import Judgement, judge
from roundsman.repositories.conversations import Conversation, Page, WatchedConversation
from roundsman.repositories.watch_list import AnsweringClock, WaitingState

AT = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
POLICY = policies()
FORMS: list[Literal["NFC", "NFD", "NFKC", "NFKD"]] = ["NFC", "NFD", "NFKC", "NFKD"]
QUARTER = timedelta(minutes=15)


def watched(kind: str = "INBOX", tags: tuple[str, ...] = (), *, synced: bool = True) -> WatchedConversation:
    return WatchedConversation(
        Conversation("100_1", "100", kind, "Mai", tags=tags), Page("100", "Shop", "shop", synced)
    )


def exclusion(tags: list[str]) -> str | None:
    return POLICY.otherwise.exclusion(Page("100"), "INBOX", tags)


def waiting(minutes: float, *, bot_answered: bool = False) -> WaitingState:
    since = AT - timedelta(minutes=minutes)
    return WaitingState(None if bot_answered else since, since)


@pytest.mark.parametrize(
    "tag",
    [
        "spam", "SPAM", " Spam ", "s\u200bpam", "#spam", "ｓｐａｍ", "khách block", "Khách Block", "KHÁCH  BLOCK",
        "kha\u0301ch block", "khach block", "khach-block", "Khach_Block", "khách\u00a0block", "khachblock",
    ],
)  # fmt: skip
def test_unwanted_tags_in_any_spelling(tag: str) -> None:
    assert exclusion(["VIP", tag]) == f"The tag {tag!r} excludes it."


@pytest.mark.parametrize("tag", ["", "không spam", "spam?no", "block", "khách", "NV9", "khách block 2"])
def test_other_tags_exclude_nobody(tag: str) -> None:
    assert exclusion([tag]) is None


@given(
    st.sampled_from(EXCLUDED_TAGS),
    st.sampled_from(FORMS),
    st.sampled_from([str.upper, str.lower, str.title, str.swapcase]),
    st.sampled_from([" ", "  ", "-", "_", "\t", ".", ""]),
)
def test_case_form_and_separator_do_not_matter(
    tag: str, form: Literal["NFC", "NFD", "NFKC", "NFKD"], case: Callable[[str], str], separator: str
) -> None:
    assert exclusion([case(unicodedata.normalize(form, tag.replace(" ", separator)))]) is not None


@pytest.mark.parametrize("kind", ["COMMENT", "COMMENT_LIVESTREAM", "LIVESTREAM", "POST", "RATING"])
def test_comments_are_excluded_unless_switched_on(kind: str) -> None:
    assert judge(watched(kind), waiting(60), POLICY, AT).verdict is Judgement.EXCLUDED
    assert judge(watched(kind), waiting(60), policies(comments=True), AT).verdict is Judgement.LATE


def test_an_unknown_type_is_watched() -> None:
    assert judge(watched("SOMETHING_NEW"), waiting(60), POLICY, AT).verdict is Judgement.LATE


def test_a_page_that_is_not_synced_is_excluded() -> None:
    verdict = judge(watched(synced=False), waiting(60), POLICY, AT)
    assert verdict.verdict is Judgement.EXCLUDED
    assert verdict.level == 0
    assert "Shop" in verdict.reason


def test_excluded_comes_before_answered() -> None:
    assert judge(watched(tags=("spam",)), WaitingState(), POLICY, AT).verdict is Judgement.EXCLUDED


def test_exactly_the_threshold_is_fine_and_a_moment_more_is_late() -> None:
    since = AT - QUARTER
    state = WaitingState(since, since)
    assert judge(watched(), state, POLICY, AT).verdict is Judgement.FINE
    late = judge(watched(), state, POLICY, AT + timedelta(microseconds=1))
    assert late.verdict is Judgement.LATE
    assert (late.waited_minutes, late.level, late.due_at) == (15.0, 1, AT)


def test_the_clock_in_force_decides() -> None:
    state = waiting(60, bot_answered=True)
    human = judge(watched(), state, POLICY, AT)
    customer = judge(watched(), state, policies(AnsweringClock.CUSTOMER), AT)
    assert (human.verdict, human.waited_minutes) == (Judgement.LATE, 60.0)
    assert "only a bot" in human.reason
    assert (customer.verdict, customer.waited_minutes, customer.due_at) == (Judgement.ANSWERED, 0.0, None)
    assert customer.human_waiting_since == AT - timedelta(minutes=60)


def test_nobody_waits_below_zero_minutes() -> None:
    verdict = judge(watched(), waiting(-5), POLICY, AT)
    assert (verdict.verdict, verdict.waited_minutes) == (Judgement.FINE, 0.0)


def test_minutes_are_rounded_to_a_tenth() -> None:
    assert judge(watched(), waiting(3.26), POLICY, AT).waited_minutes == 3.3


def test_every_verdict_has_a_sentence() -> None:
    for state in (waiting(3), waiting(60), WaitingState()):
        reason = judge(watched(), state, POLICY, AT).reason
        assert reason.endswith(".")
        assert reason[0].isupper()
