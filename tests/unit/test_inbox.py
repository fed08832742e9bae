"""The inbox of the engine: whoever offers a submission is answered, by the engine or by being sent away."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from roundsman.errors import StoreError
from roundsman.runs.inbox import Inbox, Look
from roundsman.runs.submission import Submission


def elsewhere(call: Callable[[], bool]) -> bool:
    """In another thread."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(call).result()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def test_nobody_is_taken_in_before_it_is_opened(inbox: Inbox) -> None:
    assert not elsewhere(lambda: inbox.offer(Submission([])))
    assert inbox.take(0) == []


def test_its_reader_is_not_taken_in_as_it_would_wait_for_itself(inbox: Inbox) -> None:
    inbox.open()
    assert not inbox.offer(Submission([]))
    assert elsewhere(lambda: inbox.offer(Submission([])))


def test_who_is_in_when_it_is_closed_is_sent_away_and_all_else_stays(inbox: Inbox) -> None:
    inbox.open()
    submission = Submission([])
    inbox.wake()
    assert elsewhere(lambda: inbox.offer(submission))
    inbox.close()
    assert submission.wait() is None
    assert not elsewhere(lambda: inbox.offer(Submission([])))
    assert [type(item) for item in inbox.take(0)] == [Look]


def test_whoever_offers_while_it_is_closed_is_answered_in_any_case(inbox: Inbox) -> None:
    inbox.open()
    begin = threading.Barrier(5)

    def submit() -> bool:
        begin.wait()
        for _ in range(200):
            submission = Submission([])
            if not inbox.offer(submission):
                return True
            submission.wait()
        return False

    with ThreadPoolExecutor(4) as threads:
        done = [threads.submit(submit) for _ in range(4)]
        begin.wait()
        for item in inbox.take(1.0):
            assert isinstance(item, Submission)
            item.stored([1])
        inbox.close()
        assert [each.result(20) for each in done] == [True] * 4


def test_a_submission_tells_what_became_of_it() -> None:
    stored, failed, declined = Submission([]), Submission([]), Submission([])
    stored.stored([1, 2])
    failed.failed(StoreError("The disk is full."))
    declined.decline()
    assert stored.wait() == [1, 2]
    with pytest.raises(StoreError, match="The disk is full"):
        failed.wait()
    assert declined.wait() is None
