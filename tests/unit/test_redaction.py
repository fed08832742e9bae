"""Secrets that the settings know, and secrets that only their shape betrays."""

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.redaction import MASK, SHORTEST_SECRET, Redactor


@given(st.text(min_size=SHORTEST_SECRET).filter(lambda text: len(text.strip()) >= SHORTEST_SECRET and MASK not in text))
def test_no_form_of_a_registered_secret_survives(secret: str) -> None:
    redactor = Redactor([secret])
    for form in (secret, quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert secret not in redactor(f"before {form} after")
        assert form not in redactor(f"before {form} after")


def test_a_short_secret_is_left_alone_because_it_would_blank_out_words() -> None:
    assert Redactor(["on", "yes"])("on and yes") == "on and yes"


def test_a_secret_within_a_longer_one_does_not_leave_the_rest_of_it() -> None:
    assert Redactor(["secret", "secret-and-more"])("secret-and-more") == MASK


def test_secrets_add_up() -> None:
    redactor = Redactor(["first-secret"])
    redactor.hide(["second-secret"])
    assert redactor("first-secret second-secret") == f"{MASK} {MASK}"


def test_each_line_of_a_long_secret_is_secret() -> None:
    redactor = Redactor(["-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----\n"])
    assert "MIIEvQ" not in redactor("    MIIEvQIBADANBgkq")


@pytest.mark.parametrize(
    "text",
    [
        "HTTPSConnectionPool(host='alerts.example.org'): Max retries exceeded with url: /hooks/k3y-k3y-k3y-k3y",
        "connection to postgresql://roundsman:p%40ssw0rd!@db/x failed for p@ssw0rd!",
    ],
)
def test_of_a_secret_url_the_path_and_the_password_are_secret_alone(text: str) -> None:
    redactor = Redactor(["https://alerts.example.org/hooks/k3y-k3y-k3y-k3y", "postgresql://roundsman:p%40ssw0rd!@db/x"])
    shown = redactor(text)
    assert "k3y" not in shown
    assert "ssw0rd" not in shown


SHAPES = [
    ("POST https://api.telegram.org/bot123456789:AAFakeFakeFakeFakeFakeFakeFakeFake_12/sendMessage", "AAFake"),
    ("with url: /bot123456789%3AAAFakeFake-12/sendMessage", "AAFake"),
    ("token 123456789:AAFakeFakeFakeFakeFakeFakeFakeFake_12 refused", "AAFake"),
    ("https://hooks.slack.com/services/T000AAA/B000BBB/zzzzzzzzzzzz", "zzzz"),
    ("Max retries exceeded with url: /services/T000AAA/B000BBB/zzzzzzzzzzzz", "zzzz"),
    ("invalid_auth for xoxb-1234567890-abcdefghij", "abcdefghij"),
    ("app xapp-1-A0000-123-abcdef0123456789", "abcdef"),
    ("GET https://pages.fm/api/v1/pages/1/conversations?page_access_token=eyJhbGciOi.x.y&since=1", "eyJ"),
    ("{'access_token': 'eyJhbGciOi', 'id': 1}", "eyJ"),
    ('{"page_access_token":"eyJhbGciOi"}', "eyJ"),
    ("?since=1&api_key=abcdefgh", "abcdefgh"),
    ("headers={'Authorization': 'Bearer abcdef'}", "abcdef"),
    ("Authorization: Basic dXNlcjpwYXNz", "dXNl"),
    ("Bearer abcdefghijklmnopqrstuvwxyz", "abcdefgh"),
    ("could not reach amqp://user:hunter2@queue/vhost", "hunter2"),
    ("could not reach redis://:hunter2@cache:6379/0", "hunter2"),
    ("postgresql://user:hun@ter2@db/name", "ter2"),
]


@pytest.mark.parametrize(("text", "secret"), SHAPES, ids=[text[:30] for text, _ in SHAPES])
def test_the_shape_of_a_token_is_enough(text: str, secret: str) -> None:
    shown = Redactor()(text)
    assert secret not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        "Customer Nguyễn Văn A has waited 20 minutes on page 104826",
        "https://pancake.vn/104826?c_id=104826_2548",
        "started at 04:12:33, next tick 2026-03-03T04:00:00Z",
        "postgresql://db/roundsman at 10.0.0.1:5432",
        "run 0f629a6c04c35eb5b9d7d8",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor(["sup3r-secret"])(text) == text


def test_a_huge_hostile_text_costs_no_more_than_linear_time() -> None:
    text = "://a:" * 100_000 + "1234567:" * 50_000 + "authorization" * 20_000
    before = time.process_time()
    Redactor(["sup3r-secret"])(text)
    assert time.process_time() - before < 5
