"""Tokens: when they expire by their own words, and that nobody sees them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from roundsman.conversations.pancake.token import PageAccess, Token


def jwt(claims: Any) -> Token:
    text = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return Token(f"eyJhbGciOiJIUzI1NiJ9.{text}.signature")


def test_a_json_web_token_tells_when_it_expires() -> None:
    assert jwt({"exp": 1772510602, "uid": "x"}).expires_at == datetime(2026, 3, 3, 4, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    "token",
    [
        Token("0123456789abcdef"),
        Token("a.b"),
        Token("a.%%%.c"),
        Token("a.bm8gSlNPTg.c"),
        jwt({}),
        jwt([1]),
        jwt({"exp": None}),
        jwt({"exp": True}),
        jwt({"exp": "soon"}),
        jwt({"exp": -5}),
        jwt({"exp": 1e300}),
        jwt({"exp": float("nan")}),
    ],
)
def test_others_tell_nothing(token: Token) -> None:
    assert token.expires_at is None


def test_a_token_is_not_seen() -> None:
    token = Token("a-secret")
    assert "secret" not in f"{token} {token!r} {PageAccess('100', token)} {[token]}"
    assert (token, hash(token)) == (Token("a-secret"), hash(Token("a-secret")))
    assert token != Token("another")
