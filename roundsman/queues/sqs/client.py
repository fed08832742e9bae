"""The calls of Amazon SQS. The only importer of boto3, and only when a call is made: it costs 0.4 s and 30 MiB.

Everything goes in batches of ten, where one entry may be refused while the others pass: what the service could not
do just then is tried again here, what it refuses is handed back entry by entry. Errors of the library may hold signed
requests and keys, so none travels up: each becomes one sentence that names the queue and what one can do.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from roundsman.errors import QueueError
from roundsman.queues.sqs.faults import DENIALS, REFUSALS, call_fault, code_of, connection_fault
from roundsman.retry import backoff

BATCH = 10
"""Entries of a batch call, and messages of one receive call (SQS, quotas)."""
BATCH_BYTES = 256 * 1024
"""Of all bodies and attributes in one call. SQS took more from 2025 on, other implementations do not."""
LONGEST_POLL = timedelta(seconds=20)
LONGEST_HIDDEN = timedelta(hours=12)
"""From the moment at which a message was received, whatever is asked for in between."""
CONNECT_SECONDS, READ_SECONDS = 5, 30
"""A long poll is silent for 20 s."""
CONNECTIONS = 32
TRIES = 4
"""Of each call by the library, and of the entries of a batch that failed alone by us."""

T = TypeVar("T")
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class SqsPlace:
    """A queue, and how to get at it."""

    queue_url: str
    dead_letter_url: str | None = None
    """None: the queue's redrive policy names it."""
    region: str | None = None
    """None: the profile of AWS names it."""
    endpoint_url: str | None = None
    """None means Amazon's own."""
    access_key_id: str | None = field(default=None, repr=False)
    """None: the machine's role or its profile gives the key."""
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return queue_name(self.queue_url)

    @property
    def fifo(self) -> bool:
        return self.queue_url.endswith(".fifo")


def queue_name(url: str) -> str:
    """The queue's own name; the rest of the URL tells the account."""
    return url.rstrip("/").rpartition("/")[2]


class SqsClient:
    """Calls for any queue of one account; safe to use from many threads. All methods raise QueueError."""

    def __init__(self, place: SqsPlace, sleep: Callable[[float], None] = time.sleep) -> None:
        self._place = place
        self._sleep = sleep
        self._lock = threading.Lock()
        self._made: Any = None

    def send(self, url: str, entries: Sequence[Entry]) -> dict[int, str]:
        """Returns what was refused: the place in `entries`, and the service's words."""
        return self._in_batches("send_message_batch", url, entries)

    def delete(self, url: str, handles: Sequence[str]) -> dict[int, str]:
        """Returns those of which the service says that they are ours no more."""
        return self._in_batches("delete_message_batch", url, [{"ReceiptHandle": handle} for handle in handles])

    def hide(self, url: str, handles: Sequence[tuple[str, int]]) -> dict[int, str]:
        """Let each come back in so many seconds from now; 0 is at once. Returns those that are ours no more."""
        entries = [{"ReceiptHandle": handle, "VisibilityTimeout": seconds} for handle, seconds in handles]
        return self._in_batches("change_message_visibility_batch", url, entries)

    def receive(self, url: str, most: int, *, hidden: int, wait: int = 0) -> list[Entry]:
        """At most ten; they are hidden from others for so many seconds. Waits at the service for the first one."""
        answer = self._call(
            "receive_message", url, MaxNumberOfMessages=max(1, min(most, BATCH)), VisibilityTimeout=hidden,
            WaitTimeSeconds=wait, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"],
        )  # fmt: skip
        received: list[Entry] = answer.get("Messages") or []
        return received

    def attributes(self, url: str, *names: str) -> Mapping[str, str]:
        """Of a queue."""
        found: Mapping[str, str] = self._call("get_queue_attributes", url, AttributeNames=list(names)).get(
            "Attributes", {}
        )
        return found

    def url_of(self, arn: str) -> str:
        """Where the queue of this name (arn:aws:sqs:REGION:ACCOUNT:NAME) is."""
        account, name = arn.split(":")[-2:]
        return str(self._do("get_queue_url", name, QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])

    def close(self) -> None:
        """Let go of connections. Calls under way come to their end."""
        with self._lock:
            if self._made is not None:
                self._made.close()

    # --- calls ---

    def _in_batches(self, operation: str, url: str, entries: Sequence[Entry]) -> dict[int, str]:
        refused: dict[int, str] = {}
        for batch in _batches(list(enumerate(entries))):
            refused.update(self._batch(operation, url, dict(batch)))
        return refused

    def _batch(self, operation: str, url: str, entries: dict[int, Entry]) -> dict[int, str]:
        refused: dict[int, str] = {}
        fault = ""
        for attempt in range(1, TRIES + 1):
            if attempt > 1:
                pause = backoff(attempt - 1, first=timedelta(seconds=0.5), most=timedelta(seconds=5))
                self._sleep(pause.total_seconds())
            failed, fault = self._try(operation, url, entries)
            refused.update({place: words for place, words in failed.items() if words})
            entries = {place: entries[place] for place, words in failed.items() if not words}
            if not entries:
                return refused
        raise QueueError(call_fault(queue_name(url), fault))

    def _try(self, operation: str, url: str, entries: Mapping[int, Entry]) -> tuple[dict[int, str], str]:
        """Those that failed, with the words of a refusal or with none when they may pass later; and one's code."""
        listed = [{"Id": str(place), **entry} for place, entry in entries.items()]
        try:
            answer = self._call(operation, url, Entries=listed)
        except _RefusedError as refusal:
            if len(entries) == 1:
                return dict.fromkeys(entries, refusal.words), ""
            # one bad entry may have taken the others with it
            alone = [self._try(operation, url, {place: entry}) for place, entry in entries.items()]
            code = next((code for _, code in alone if code), "")
            return {place: words for failed, _ in alone for place, words in failed.items()}, code
        failed: dict[int, str] = {}
        code = ""
        for one in answer.get("Failed", ()):
            code = str(one.get("Code", ""))
            failed[int(one["Id"])] = str(one.get("Message") or code or "refused") if one.get("SenderFault") else ""
        return failed, code

    def _call(self, operation: str, url: str, **arguments: Any) -> Any:
        return self._do(operation, queue_name(url), QueueUrl=url, **arguments)

    def _do(self, operation: str, name: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            return getattr(self._client(), operation)(**arguments)
        except ClientError as error:
            code, words = code_of(error.response), str(error.response.get("Error", {}).get("Message", ""))
            if code in REFUSALS:
                raise _RefusedError(words or code, call_fault(name, code)) from None
            raise (DeniedError if code in DENIALS else QueueError)(call_fault(name, code)) from None
        except (BotoCoreError, HTTPClientError, ValueError) as error:  # ValueError: an endpoint that is no URL
            raise QueueError(connection_fault(name, type(error).__name__)) from None

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _make(self._place)
            return self._made


class DeniedError(QueueError):
    """This call is not allowed."""


class _RefusedError(QueueError):
    def __init__(self, words: str, sentence: str) -> None:
        super().__init__(sentence)
        self.words = words


def _make(place: SqsPlace) -> Any:
    import boto3
    from botocore.config import Config

    for chatty in ("boto3", "botocore"):  # their DEBUG lines hold tokens that are registered with no redactor
        logging.getLogger(chatty).setLevel(logging.WARNING)
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "max_attempts": TRIES},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
    )
    # a session of our own: the default one is shared by all threads and not made for it
    session = boto3.Session(
        aws_access_key_id=place.access_key_id,
        aws_secret_access_key=place.secret_access_key,
        aws_session_token=place.session_token,
        region_name=place.region,
    )
    return session.client("sqs", endpoint_url=place.endpoint_url, config=config)


def _batches(entries: Sequence[tuple[int, Entry]]) -> Iterator[list[tuple[int, Entry]]]:
    batch: list[tuple[int, Entry]] = []
    size = 0
    for place, entry in entries:
        more = size_of(entry)
        if batch and (len(batch) == BATCH or size + more > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((place, entry))
        size += more
    if batch:
        yield batch


def size_of(entry: Entry) -> int:
    """What counts towards the limits, in bytes: the body, and names, types and values of the attributes."""
    size = len(entry.get("MessageBody", "").encode())
    for name, value in entry.get("MessageAttributes", {}).items():
        size += len(name) + len(value["DataType"])
        size += len(value.get("StringValue", "").encode()) + len(value.get("BinaryValue", b""))
    return size
