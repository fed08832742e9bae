"""Files of webhook calls: what is new comes in, what is old does not, and polling stays the truth."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_pancake import FakePancake
from pancake_bench import PAGE, Bench, staff

from roundsman.clock import ManualClock
from roundsman.conversations.pancake.webhook_import import WebhookImporter, WebhookSummary
from roundsman.errors import BadInputError
from roundsman.repositories.engine import Store


class Post:
    """Takes calls as a file."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self._file = folder / "calls.jsonl"

    def bring(self, *calls: Any) -> WebhookSummary:
        self._file.write_text("\n".join(map(json.dumps, calls)), encoding="utf-8")
        importer = WebhookImporter(self.bench.store, self.bench.intake, self.bench.clock)
        return importer.import_file(str(self._file))


@pytest.fixture
def fake(clock: ManualClock) -> Iterator[FakePancake]:
    with FakePancake(clock).running() as fake:
        fake.add_page()
        yield fake


@pytest.fixture
def post(fake: FakePancake, store: Store, clock: ManualClock, tmp_path: Path) -> Iterator[Post]:
    with closing(Bench(fake, store, clock)) as bench:
        yield Post(bench, tmp_path)


def call(
    clock: ManualClock, message_id: str | None = None, *, ago: float = 0, author: Any = None, **conversation: Any
) -> dict[str, Any]:
    moment = (clock.now() - timedelta(minutes=ago)).replace(tzinfo=None).isoformat()
    data: dict[str, Any] = {
        "conversation": {
            "id": f"{PAGE}_1",
            "type": "INBOX",
            "from": {"id": "1", "name": "Mai"},
            "updated_at": moment,
            **conversation,
        }
    }
    if message_id is not None:
        data["message"] = {
            "id": message_id,
            "conversation_id": f"{PAGE}_1",
            "page_id": PAGE,
            "type": "INBOX",
            "inserted_at": moment,
            "from": author or {"id": "1", "name": "Mai"},
        }
    return {"page_id": PAGE, "event_type": "messaging", "data": data}


def folkform(event: str, data: Any, timestamp: Any = None) -> dict[str, Any]:
    return {"payload": {"eventType": event, "pageId": PAGE, "data": data, "timestamp": timestamp}}


def test_calls_bring_conversations_and_messages(post: Post, clock: ManualClock) -> None:
    summary = post.bring(call(clock, "m1", ago=5), call(clock, "m2", author=staff()))
    assert (summary.calls, summary.conversations_new, summary.messages_new) == (2, 1, 2)
    assert post.bench.stored()[f"{PAGE}_1"].conversation.customer_name == "Mai"
    assert post.bench.messages()["m2"].is_staff


def test_doing_it_again_changes_nothing(post: Post, clock: ManualClock) -> None:
    calls = [call(clock, "m1", ago=5), call(clock, "m1", ago=5), call(clock, "m2")]
    post.bring(*calls)
    again = post.bring(*reversed(calls))
    changes = (again.conversations_new, again.conversations_changed, again.messages_new, again.messages_changed)
    assert changes == (0, 0, 0, 0)


def test_both_envelopes_tell_the_same(post: Post, clock: ManualClock) -> None:
    pancake = call(clock, "m1")
    post.bring(folkform("message_received", pancake["data"]))
    stored = post.bench.stored(), post.bench.messages()
    post.bring(pancake)
    assert (post.bench.stored(), post.bench.messages()) == stored


def test_folkform_may_hand_on_the_object_itself(post: Post, clock: ManualClock) -> None:
    data = call(clock, "m1")["data"]
    summary = post.bring(
        folkform("conversation_updated", data["conversation"], int(clock.now().timestamp() * 1000)),
        folkform("message_received", data["message"], int(clock.now().timestamp())),
    )
    assert (summary.conversations_new, summary.messages_new) == (1, 1)


def test_an_older_call_changes_nothing(post: Post, clock: ManualClock) -> None:
    post.bring(call(clock, tags=[{"text": "VIP"}], version=7))
    post.bring(call(clock, ago=1, tags=[{"text": "old"}]))
    post.bring(call(clock, tags=[{"text": "new"}], version=9), call(clock, tags=[{"text": "late"}], version=8))
    assert post.bench.stored()[f"{PAGE}_1"].conversation.tags == ("new",)


def test_what_a_call_is_silent_on_stays_as_the_sync_has_it(post: Post, clock: ManualClock) -> None:
    post.bench.fake.say(PAGE, "1", "m1")
    post.bench.fake.touch(PAGE, "1", tags=[{"text": "VIP"}], assignee_ids=["u1"])
    post.bench.sync()
    before = post.bench.stored()[f"{PAGE}_1"].conversation
    clock.advance(timedelta(minutes=1))
    post.bring(call(clock, "m2"))
    after = post.bench.stored()[f"{PAGE}_1"].conversation
    assert after == before._replace(customer_name="Mai", source_updated_at=clock.now())


def test_calls_never_move_the_watermark_nor_keep_the_sync_from_reading(post: Post, clock: ManualClock) -> None:
    bench = post.bench
    bench.sync()
    clock.advance(timedelta(hours=1))
    bench.sync()
    before = bench.fresh_at()
    clock.advance(timedelta(minutes=1))
    for number in range(40):
        bench.fake.say(PAGE, "1", f"m{number}")
    post.bring(call(clock, "m39"))
    assert bench.fresh_at() == before
    bench.sync()
    assert len(bench.messages()) == 40


def test_a_message_that_was_removed_stays_so(post: Post, clock: ManualClock) -> None:
    first, removed = call(clock, "m1", ago=5), call(clock, "m1", ago=5)
    removed["data"]["message"]["is_removed"] = True
    post.bring(first)
    assert post.bring(removed).messages_changed == 1
    post.bring(first)
    assert post.bench.messages()["m1"].is_removed
    post.bring(removed, first)
    assert post.bench.messages()["m1"].is_removed


def test_a_message_alone_makes_its_conversation(post: Post, clock: ManualClock) -> None:
    alone = call(clock, "m1")
    del alone["data"]["conversation"]
    assert post.bring(alone).conversations_new == 1
    nowhere = call(clock, "m2")
    del nowhere["data"]["conversation"], nowhere["data"]["message"]["page_id"], nowhere["page_id"]
    nowhere["data"]["message"]["conversation_id"] = "elsewhere"
    assert post.bring(nowhere).homeless == 1


def test_other_calls_are_passed_over_and_broken_ones_set_aside(post: Post, clock: ManualClock) -> None:
    broken = call(clock, "m9")
    broken["data"]["message"]["from"] = "x"
    summary = post.bring(
        {"page_id": PAGE, "event_type": "post", "data": {"post": {"id": "p"}}},
        folkform("order_created", {"id": 5}),
        broken,
        {"something": "else"},
        call(clock, "m1"),
    )
    assert summary.ignored == {"order_created": 1, "post": 1}
    assert [sentence.partition("#")[2] for sentence in summary.set_aside] == [
        "3: data.message.from is not an object but a text; the call was set aside.",
        "4: it is no webhook call; it was set aside.",
    ]
    assert summary.messages_new == 1


def test_a_file_without_any_call_is_refused(post: Post) -> None:
    with pytest.raises(BadInputError, match="holds no webhook call of Pancake"):
        post.bring({"pageId": "1"})
