"""Messages in SQS: ours come out as they went in, those of other programs are understood, or set aside."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.message import Draft, Priority
from roundsman.queues.sqs.letter import ATTRIBUTE, Facts, dedup_key, group_id, new_entry, read_letter, whole_seconds

NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
FACTS = Facts("7d1c", "device_test", 7, "agent:app_version", NOW)


def received(body: Any, attributes: dict[str, Any] | None = None, **system: str) -> dict[str, Any]:
    return {
        "MessageId": "of-sqs",
        "ReceiptHandle": "handle",
        "Body": body if isinstance(body, str) else json.dumps(body),
        "Attributes": {"SentTimestamp": str(NOW_MS), "ApproximateReceiveCount": "1", **system},
        "MessageAttributes": attributes or {},
    }


# --- ours ---

bodies = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text(), max_size=3), max_size=4)


@given(body=bodies, kind=st.text(min_size=1, max_size=30), group=st.none() | st.text(min_size=1, max_size=200))
def test_our_messages_come_out_as_they_went_in(body: dict[str, Any], kind: str, group: str | None) -> None:
    facts = replace(FACTS, kind=kind, group=group, due_at=NOW + timedelta(days=2))
    entry = new_entry(Draft(kind, body, group=group), facts, fifo=True, delay=timedelta(0))
    assert entry["MessageBody"].isascii()
    assert entry["MessageAttributes"][ATTRIBUTE]["StringValue"].isprintable()
    letter = read_letter(received(entry["MessageBody"], entry["MessageAttributes"]))
    assert (letter.facts, letter.body, letter.fault) == (facts, body, "")


@given(st.text(min_size=1, max_size=300))
def test_a_group_has_a_name_that_sqs_takes(group: str) -> None:
    name = group_id(replace(FACTS, group=group))
    assert len(name) <= 128
    assert name.isascii()
    assert name.isprintable()
    assert " " not in name


def test_groups_stay_apart_and_keep_plain_names() -> None:
    names = ["agent:app_version", "a b", "a c", "ế", "x" * 200, "x" * 201, "~"]
    assert len({group_id(replace(FACTS, group=name)) for name in names}) == len(names)
    assert group_id(FACTS) == "agent:app_version"
    assert group_id(replace(FACTS, group=None)) == "7d1c"


def test_drafts_of_one_key_are_duplicates_to_sqs() -> None:
    draft = Draft("build", {}, dedup="nightly")
    first, second = (
        new_entry(draft, replace(FACTS, id=one, group=None), fifo=True, delay=timedelta(0)) for one in ("1", "2")
    )
    assert first["MessageDeduplicationId"] == second["MessageDeduplicationId"] == dedup_key(draft)
    assert first["MessageGroupId"] != second["MessageGroupId"]
    assert dedup_key(replace(draft, kind="test")) != dedup_key(draft)
    assert dedup_key(replace(draft, dedup=None)) is None


def test_a_standard_queue_is_told_no_group_and_keeps_short_delays_itself() -> None:
    entry = new_entry(Draft("build", {}), FACTS, fifo=False, delay=timedelta(seconds=2.1))
    assert entry["DelaySeconds"] == 3
    assert not {"MessageGroupId", "MessageDeduplicationId"} & entry.keys()


@pytest.mark.parametrize(("span", "seconds"), [(0, 0), (0.001, 1), (1, 1), (1.5, 2), (-3, 0)])
def test_seconds_are_rounded_up(span: float, seconds: int) -> None:
    assert whole_seconds(timedelta(seconds=span)) == seconds


# --- of other programs ---


def test_the_agents_message_tells_its_type_and_data() -> None:
    body = {"type": "agent_run", "data": {"runId": "r1", "commitId": "abc"}, "priority": 2}
    letter = read_letter(received(body))
    assert (letter.facts.kind, letter.body, letter.facts.priority) == ("agent_run", body["data"], 2)
    assert (letter.facts.id, letter.facts.enqueued_at, letter.facts.due_at) == ("of-sqs", NOW, None)


def test_the_queue_message_holds_it_in_its_data() -> None:
    body = {
        "id": "m-1", "data": {"type": "agent_run", "projectId": "p", "repository": "org/name"},
        "timestamp": NOW_MS - 5_000, "retryCount": 0, "maxRetries": 3, "priority": 0, "delay": 0, "metadata": {},
    }  # fmt: skip
    letter = read_letter(received(body))
    assert (letter.facts.kind, letter.body) == ("agent_run", body["data"])
    assert letter.facts.priority == Priority.NORMAL, "its 0 means that nobody said anything"
    assert letter.facts.enqueued_at == NOW - timedelta(seconds=5)


def test_both_forms_may_be_nested() -> None:
    body = {"id": "m", "data": {"type": "agent_run", "data": {"runId": "r1"}, "priority": 3}, "timestamp": NOW_MS}
    letter = read_letter(received(body))
    assert (letter.facts.kind, letter.body, letter.facts.priority) == ("agent_run", {"runId": "r1"}, 3)


def test_a_plain_body_with_a_kind_is_taken_as_it_is() -> None:
    letter = read_letter(received({"kind": "noop", "input": 1}))
    assert (letter.facts.kind, letter.body) == ("noop", {"kind": "noop", "input": 1})


def test_their_delays_are_milliseconds_in_one_form_and_seconds_in_the_other() -> None:
    outer = read_letter(received({"type": "t", "data": {}, "delay": 90, "timestamp": NOW_MS}))
    inner = read_letter(received({"data": {"type": "t"}, "delay": 90_000, "timestamp": NOW_MS}))
    assert outer.facts.due_at == inner.facts.due_at == NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("told", "priority"),
    [
        ("low", 1), ("NORMAL", 5), ("medium", 5), ("high", 10), ("critical", 20), (1, 1), (3, 3), (20, 20),
        (None, 5), (0, 5), (-1, 5), (1.5, 5), ("urgent!", 5), ([], 5), (10**9, 5), (True, 5),
    ],
)  # fmt: skip
def test_the_greater_priority_is_the_more_urgent_whoever_wrote_it(told: object, priority: int) -> None:
    assert read_letter(received({"type": "t", "priority": told})).facts.priority == priority


@pytest.mark.parametrize("told", [None, "2026-03-03", -1, 0, 1e300, NOW_MS * 1000, True, [], {}])
def test_a_time_that_cannot_be_is_not_believed(told: object) -> None:
    letter = read_letter(received({"type": "t", "timestamp": told, "delay": told}))
    assert letter.facts.enqueued_at == NOW
    assert letter.facts.due_at is None


def test_the_group_of_a_fifo_queue_is_theirs() -> None:
    assert read_letter(received({"type": "t"}, MessageGroupId="g")).facts.group == "g"


# --- what nobody understands ---


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "JSON is broken"), ("hello", "JSON is broken"), ("{", "JSON is broken"), ("[" * 100_000, "JSON is broken"),
        ("[]", "no JSON object"), ("3", "no JSON object"), ("null", "no JSON object"), ('"text"', "no JSON object"),
        ("{}", "no kind"), ('{"type": 3}', "no kind"), ('{"type": ""}', "no kind"), ('{"data": {"a": 1}}', "no kind"),
        (json.dumps({"type": "x" * 300}), "no kind"), ('{"type": "t", "x": NaN}', "NaN"),
        ('{"type": "t", "x": ' + "1" * 10_000 + "}", "JSON is broken"),
    ],
    ids=lambda value: value[:12],
)  # fmt: skip
def test_what_cannot_be_understood_has_a_fault_and_no_kind(body: str, why: str) -> None:
    letter = read_letter(received(body))
    assert why in letter.fault
    assert (letter.facts.kind, letter.facts.id, letter.text) == ("", "of-sqs", body)
    assert letter.body == {"text": body[:1000]}


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"id": 1}', '{"id":"a","kind":"k","priority":5,"enqueued_at":"2026-03-03T04:00:00"}'],
)
def test_a_forged_attribute_of_ours_is_a_fault(text: str) -> None:
    letter = read_letter(received({"a": 1}, {ATTRIBUTE: {"DataType": "String", "StringValue": text}}))
    assert letter.fault
    assert letter.facts.kind == ""


NAMES = st.sampled_from(["type", "kind", "data", "id", "priority", "delay", "timestamp"])
LEAVES = st.none() | st.booleans() | st.floats() | st.text()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)))
def test_whatever_lies_there_is_read_without_an_error(body: object) -> None:
    letter = read_letter(received(json.dumps(body)))
    assert bool(letter.fault) != bool(letter.facts.kind)


def test_another_programs_message_stays_as_it_was_on_its_way_to_the_dead_letters() -> None:
    others = {f"a{number}": {"DataType": "String", "StringValue": "x"} for number in range(10)}
    letter = read_letter(received('{"type": "t",   "data": {"a": 1}}', others))
    entry = letter.entry(replace(letter.facts, dead_at=NOW, reason="why"), fifo=True, group="g")
    assert entry["MessageBody"] == '{"type": "t",   "data": {"a": 1}}'
    assert len(entry["MessageAttributes"]) == 10, "SQS takes no more"
    assert entry["MessageDeduplicationId"] == "of-sqs"
    again = read_letter(received(entry["MessageBody"], entry["MessageAttributes"]))
    assert (again.facts.kind, again.facts.reason, again.body) == ("t", "why", {"a": 1})
