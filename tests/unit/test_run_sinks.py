"""Sinks of run events without a network: addresses, the signature, the table of sinks, the journal."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from roundsman.clock import ManualClock
from roundsman.repositories.run_outbox import OutgoingEvent
from roundsman.runs.sinks import SinkOptions, build_sinks
from roundsman.runs.sinks.journal import JournalSink
from roundsman.runs.sinks.webhook import body_of
from roundsman.webhooks.address import special_kind
from roundsman.webhooks.post import signature


def event(name: str = "run.completed", **payload: Any) -> OutgoingEvent:
    told = {"run": 42, "workflow": "noop", "correlation_id": "c-1", **payload}
    return OutgoingEvent(17, 42, name, told, datetime(2026, 3, 3, tzinfo=UTC), 1)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "a loopback"),
        ("127.8.8.8", "a loopback"),
        ("0.0.0.0", "an unspecified"),
        ("10.1.2.3", "a private"),
        ("172.31.255.255", "a private"),
        ("192.168.1.1", "a private"),
        ("100.100.100.200", "a private"),
        ("169.254.169.254", "a link-local"),
        ("168.63.129.16", "a cloud's metadata"),
        ("192.0.0.192", "a reserved"),
        ("203.0.113.9", "a reserved"),
        ("224.0.0.1", "a multicast"),
        ("255.255.255.255", "a reserved"),
        ("::", "an unspecified"),
        ("::1", "a loopback"),
        ("::7f00:1", "a reserved"),
        ("::ffff:127.0.0.1", "a loopback"),
        ("::ffff:a00:1", "a private"),
        ("64:ff9b::10.0.0.1", "a private"),
        ("64:ff9b:1::1", "a reserved"),
        ("fe80::1", "a link-local"),
        ("fe80::1%eth0", "a link-local"),
        ("fd00:ec2::254", "a private"),
        ("fec0::1", "a reserved"),
        ("ff02::1", "a multicast"),
        ("2001::1", "a reserved"),
        ("2001:db8::1", "a reserved"),
        ("2002:7f00:1::", "a reserved"),
        ("8.8.8.8", None),
        ("172.32.0.1", None),
        ("100.128.0.1", None),
        ("::ffff:8.8.8.8", None),
        ("64:ff9b::8.8.8.8", None),
        ("2606:4700:4700::1111", None),
    ],
)
def test_an_address_is_public_or_of_a_kind_that_is_refused(address: str, kind: str | None) -> None:
    assert special_kind(address) == kind


def test_what_is_no_address_is_not_taken_for_a_public_one() -> None:
    with pytest.raises(ValueError):
        special_kind("example.org")


def test_the_signature_is_that_of_the_documents() -> None:
    """The same numbers are in docs/events.md, for those who write receivers."""
    body = b'{"id":"42-17","event":"run.completed"}'
    assert signature(b"0123456789abcdef", "1772510400", body) == (
        "b8c362930132d591a1bb996afcbab469c4a28533195e4daf75d4da8ce178705e"
    )


def test_a_body_that_holds_half_a_character_can_be_posted() -> None:
    assert json.loads(body_of(event(error="\ud800")))["error"] == "?"


def test_only_what_is_set_up_is_built(clock: ManualClock) -> None:
    assert build_sinks(SinkOptions(), clock) == ()
    options = SinkOptions("https://user.example/path-that-is-secret", "secret of sixteen", journal=True)
    assert [sink.name for sink in build_sinks(options, clock)] == ["webhook", "journal"]
    assert "secret" not in repr(options).replace("webhook_secret", "")


def test_the_journal_has_a_line_with_fields_for_each_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    JournalSink().deliver([event(state="done"), event("run.waiting")])
    assert [record.getMessage() for record in caplog.records] == [
        "run.completed: run 42 of noop in the state done",
        "run.waiting: run 42 of noop",
    ]
    found = vars(caplog.records[0])
    assert {name: found[name] for name in ("EVENT", "RUN_ID", "WORKFLOW", "CORRELATION_ID")} == {
        "EVENT": "run.completed", "RUN_ID": "42", "WORKFLOW": "noop", "CORRELATION_ID": "c-1",
    }  # fmt: skip
