"""What SQS answers when something is wrong, and what becomes of it: one sentence, no secret, and no lost message."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from queue_samples import KIND, drafts
from sqs_server import REGION, SECRET
from werkzeug import Request, Response

from roundsman.clock import ManualClock, SystemClock
from roundsman.errors import BadInputError, QueueError
from roundsman.queues.base import QueueOptions
from roundsman.queues.sqs import SqsPlace, SqsQueue
from roundsman.queues.sqs import client as client_module
from roundsman.queues.sqs.client import SqsClient

KEY, TOKEN = "AKIAEXAMPLEEXAMPLE", "a-session-token-that-nobody-may-see"
NAME = "orders"
SIGNED = f"The request signature does not match. The canonical string was AWS4-HMAC-SHA256 Credential={KEY} {TOKEN}"
Answer = dict[str, Any] | Response


@pytest.fixture
def service() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


def place_at(url: str, **facts: Any) -> SqsPlace:
    told = {"access_key_id": KEY, "secret_access_key": SECRET, "session_token": TOKEN, **facts}
    return SqsPlace(f"{url}/123456789012/{NAME}", f"{url}/123456789012/dead", REGION, url, **told)


class Service:
    """Answers each operation in turn, and then for ever with the last answer; remembers what it was sent."""

    def __init__(self, server: HTTPServer, **answers: list[Answer]) -> None:
        self.url = f"http://{server.host}:{server.port}"
        self.sent: dict[str, list[dict[str, Any]]] = {name: [] for name in answers}
        self._answers = answers
        server.expect_request("/").respond_with_handler(self._answer)
        self.client = SqsClient(place_at(self.url), sleep=lambda seconds: None)
        self.queue_url = f"{self.url}/123456789012/{NAME}"

    def _answer(self, request: Request) -> Response:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        self.sent[operation].append(json.loads(request.get_data()))
        answers = self._answers[operation]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Response):
            return answer
        return Response(json.dumps(answer), content_type="application/x-amz-json-1.0")


def fault(code: str, status: int = 400, words: str = SIGNED) -> Response:
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": words})
    return Response(body, status=status, content_type="application/x-amz-json-1.0")


def failed(place: int, code: str, *, sender: bool, words: str = "") -> dict[str, Any]:
    return {"Id": str(place), "Code": code, "SenderFault": sender, "Message": words}


def ids(request: dict[str, Any]) -> list[int]:
    return [int(entry["Id"]) for entry in request["Entries"]]


@pytest.fixture(autouse=True)
def _fewer_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "TRIES", 3)  # it sleeps between them


# --- sentences ---

SENTENCES = {
    "AccessDenied": "denies access: allow sqs:SendMessage",
    "InvalidClientTokenId": "does not know the credentials: check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "refuses the signature: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "says that the credentials are over: renew AWS_SESSION_TOKEN",
    "QueueDoesNotExist": "does not exist: check SQS_QUEUE_URL and AWS_REGION",
    "AWS.SimpleQueueService.NonExistentQueue": "does not exist: check SQS_QUEUE_URL",
    "OverLimit": "has as many messages in flight as it may have",
    "KmsAccessDenied": "cannot use its key for encryption: allow kms:",
    "ThrottlingException": "is throttled",
    "SomethingNew": "cannot serve: it answered SomethingNew",
}


@pytest.mark.parametrize(("code", "sentence"), SENTENCES.items(), ids=SENTENCES)
def test_each_fault_is_one_sentence_with_the_queue_and_the_way_out(
    service: HTTPServer, code: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "TRIES", 1)
    sqs = Service(service, ReceiveMessage=[fault(code)])
    with pytest.raises(QueueError) as caught:
        sqs.client.receive(sqs.queue_url, 1, hidden=30)
    assert str(caught.value).startswith(f"The queue {NAME} of SQS {sentence}")
    assert_silent(caught.value)


def test_an_answer_that_is_none_is_one_sentence(service: HTTPServer) -> None:
    sqs = Service(service, ReceiveMessage=[Response("<html>Bad gateway</html>", status=502)])
    with pytest.raises(QueueError, match=f"The queue {NAME} of SQS cannot serve: it answered status 502"):
        sqs.client.receive(sqs.queue_url, 1, hidden=30)


def test_nobody_there() -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"  # bound, and nobody listens
        with pytest.raises(QueueError, match=f"The queue {NAME} of SQS cannot serve: it was not reached") as caught:
            SqsClient(place_at(url)).attributes(f"{url}/1/{NAME}", "QueueArn")
    assert_silent(caught.value)


def test_an_address_that_is_none() -> None:
    with pytest.raises(QueueError, match="its address is wrong; check SQS_QUEUE_URL"):
        SqsClient(place_at("nonsense")).attributes(f"nonsense/{NAME}", "QueueArn")


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, service: HTTPServer, tmp_path: Any) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    sqs = Service(service, ReceiveMessage=[{}])
    nobody = SqsClient(place_at(sqs.url, access_key_id=None, secret_access_key=None, session_token=None))
    with pytest.raises(QueueError, match="no AWS credentials were found; check AWS_ACCESS_KEY_ID"):
        nobody.receive(sqs.queue_url, 1, hidden=30)


def assert_silent(error: BaseException) -> None:
    """Neither it nor what it hangs on tells a secret."""
    while error is not None:
        assert not any(secret in f"{error} {error!r}" for secret in (SECRET, TOKEN, KEY, "AWS4-HMAC"))
        assert error.__suppress_context__ or error.__context__ is None
        error = error.__cause__  # type: ignore[assignment]


# --- parts of a batch ---


def test_what_failed_just_then_is_sent_again_alone(service: HTTPServer) -> None:
    sqs = Service(service, SendMessageBatch=[
        {"Successful": [], "Failed": [failed(3, "InternalError", sender=False), failed(7, "x", sender=False)]},
        {"Successful": [], "Failed": [failed(7, "InternalError", sender=False)]},
        {"Successful": [], "Failed": []},
    ])  # fmt: skip
    entries = [{"MessageBody": str(number)} for number in range(12)]
    assert sqs.client.send(sqs.queue_url, entries) == {}
    assert [ids(request) for request in sqs.sent["SendMessageBatch"]] == [list(range(10)), [3, 7], [7], [10, 11]]


def test_what_fails_again_and_again_is_an_error(service: HTTPServer) -> None:
    sqs = Service(service, DeleteMessageBatch=[{"Failed": [failed(0, "InternalError", sender=False)]}])
    with pytest.raises(QueueError, match="it answered InternalError"):
        sqs.client.delete(sqs.queue_url, ["handle"])
    assert len(sqs.sent["DeleteMessageBatch"]) == 3


def test_what_is_refused_is_handed_back_and_the_others_pass(service: HTTPServer) -> None:
    sqs = Service(service, DeleteMessageBatch=[
        {"Failed": [failed(1, "ReceiptHandleIsInvalid", sender=True, words="expired")]}, {},
    ])  # fmt: skip
    assert sqs.client.delete(sqs.queue_url, [str(number) for number in range(11)]) == {1: "expired"}
    assert len(sqs.sent["DeleteMessageBatch"]) == 2


def test_one_bad_entry_does_not_take_the_others_with_it(service: HTTPServer) -> None:
    good: dict[str, Any] = {}
    sqs = Service(service, ChangeMessageVisibilityBatch=[
        fault("InvalidParameterValue"), good, fault("InvalidParameterValue", words="beyond the limit"), good,
    ])  # fmt: skip
    assert sqs.client.hide(sqs.queue_url, [("a", 1), ("b", 50_000), ("c", 1)]) == {1: "beyond the limit"}
    assert [ids(one) for one in sqs.sent["ChangeMessageVisibilityBatch"]] == [[0, 1, 2], [0], [1], [2]]


# --- what the queue makes of it ---


def raw(number: int, *, kind: str = KIND) -> dict[str, Any]:
    return {
        "MessageId": f"id-{number}",
        "ReceiptHandle": f"handle-{number}",
        "Body": json.dumps({"kind": kind, "number": number}),
        "Attributes": {"SentTimestamp": "1772510400000", "ApproximateReceiveCount": "1"},
    }


def queue_at(sqs: Service) -> SqsQueue:
    return SqsQueue(place_at(sqs.url), QueueOptions("me"), SystemClock())


def test_messages_whose_leases_sqs_does_not_know_any_more_are_reported(service: HTTPServer) -> None:
    lost = {"Failed": [failed(1, "InvalidParameterValue", sender=True, words="The receipt handle has expired")]}
    sqs = Service(
        service, GetQueueAttributes=[{}], ReceiveMessage=[{"Messages": [raw(1), raw(2), raw(3)]}],
        DeleteMessageBatch=[lost], ChangeMessageVisibilityBatch=[lost], SendMessageBatch=[{}],
    )  # fmt: skip
    words: list[Callable[[SqsQueue, Any], Any]] = [
        lambda queue, messages: queue.ack(messages),
        lambda queue, messages: queue.nack(messages),
        lambda queue, messages: queue.extend(messages),
        lambda queue, messages: queue.bury(messages, "why"),
    ]
    for word in words:
        queue = queue_at(sqs)
        messages = queue.dequeue({KIND: 3}, 3)
        assert word(queue, messages) == [messages[1]]


def test_what_came_is_handed_out_although_the_next_call_fails(service: HTTPServer) -> None:
    sqs = Service(service, GetQueueAttributes=[{}], ReceiveMessage=[{"Messages": [raw(1)]}, fault("OverLimit")])
    queue = queue_at(sqs)
    assert len(queue.dequeue({KIND: 5}, 5)) == 1
    with pytest.raises(QueueError, match="in flight"):
        queue.dequeue({KIND: 5}, 5)


def test_what_is_wanted_is_handed_out_although_the_rest_cannot_be_put_back(
    service: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    sqs = Service(
        service, GetQueueAttributes=[{}], ChangeMessageVisibilityBatch=[fault("AccessDenied")],
        ReceiveMessage=[{"Messages": [raw(1), raw(2, kind="unwanted")]}, {}],
    )  # fmt: skip
    assert len(queue_at(sqs).dequeue({KIND: 5}, 5)) == 1
    assert "What is not for now comes back only in 30 s" in caplog.text


def test_whoever_may_not_read_the_traits_can_still_receive(
    service: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    sqs = Service(service, GetQueueAttributes=[fault("AccessDenied", 403)], ReceiveMessage=[{}])
    queue = queue_at(sqs)
    for _ in range(3):
        assert queue.dequeue({KIND: 1}, 1) == []
    assert caplog.text.count("Nothing is known of the queue's redrive policy") == 1


def test_a_fault_of_a_long_poll_reaches_who_waits(service: HTTPServer) -> None:
    sqs = Service(service, GetQueueAttributes=[{}], ReceiveMessage=[fault("QueueDoesNotExist")])
    with pytest.raises(QueueError, match="does not exist"):
        queue_at(sqs).dequeue({KIND: 1}, 1, timedelta(seconds=20))


def test_drafts_that_were_not_sent_are_no_duplicates_when_they_are_sent_again(
    service: HTTPServer, clock: ManualClock
) -> None:
    sqs = Service(
        service, GetQueueAttributes=[{}],
        SendMessageBatch=[fault("AccessDenied"), {"Failed": [failed(0, "Bad", sender=True, words="too long")]}, {}],
    )  # fmt: skip
    place = place_at(sqs.url)
    fifo = SqsPlace(f"{place.queue_url}.fifo", None, REGION, sqs.url, KEY, SECRET)
    queue = SqsQueue(fifo, QueueOptions("me"), clock)
    with pytest.raises(QueueError, match="denies access"):
        queue.enqueue(drafts([1], dedup="a"))
    with pytest.raises(BadInputError, match="was refused: too long"):
        queue.enqueue(drafts([1], dedup="a"))
    (entered,) = queue.enqueue(drafts([1], dedup="a"))
    assert not entered.duplicate


def test_what_sqs_cannot_be_asked_about_passes(service: HTTPServer, clock: ManualClock) -> None:
    sqs = Service(service, GetQueueAttributes=[fault("AccessDenied", 403)], SendMessageBatch=[{}])
    queue = SqsQueue(place_at(sqs.url), QueueOptions("me"), clock)
    long_delayed, large = drafts([1], delay=timedelta(days=5)), drafts([2], body={"text": "x" * 5_000})
    queue.judge([*long_delayed, *large])
    queue.enqueue([*long_delayed, *large])
    assert len(sqs.sent["SendMessageBatch"][0]["Entries"]) == 2
    with pytest.raises(BadInputError, match="needs a FIFO queue"):
        queue.judge(drafts([3], group="a"))
    assert len(sqs.sent["GetQueueAttributes"]) == 2


def test_an_everyday_message_is_judged_without_asking_anybody(service: HTTPServer, clock: ManualClock) -> None:
    sqs = Service(service, GetQueueAttributes=[{}])
    SqsQueue(place_at(sqs.url), QueueOptions("me"), clock).judge(drafts(range(10), delay=timedelta(minutes=15)))
    assert sqs.sent["GetQueueAttributes"] == []
