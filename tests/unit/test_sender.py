"""The ordered sender rule, over what the networks really send."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roundsman.conversations.folkform_records import read_message
from roundsman.conversations.sender import Sender, sender_of

CASES: dict[str, tuple[dict[str, Any], Sender]] = {
    "a Messenger customer": (
        {"from": {"id": "3100878013328342", "email": "3100878013328342@facebook.com", "name": "Mai"}},
        Sender.CUSTOMER,
    ),
    "a WhatsApp customer without an address": ({"from": {"id": "wa_840000000001"}}, Sender.CUSTOMER),
    "nobody": ({"from": None}, Sender.CUSTOMER),
    "the page itself": ({"from": {"id": "100"}}, Sender.HUMAN),
    "the page as a number": ({"from": {"id": 100}}, Sender.HUMAN),
    "staff by uid": ({"from": {"id": "5", "uid": "u9"}}, Sender.HUMAN),
    "staff by a numeric uid": ({"from": {"id": "5", "uid": 9}}, Sender.HUMAN),
    "staff by admin_id": ({"from": {"id": "5", "admin_id": "9"}}, Sender.HUMAN),
    "staff by admin_name": ({"from": {"id": "5", "admin_name": "Lan"}}, Sender.HUMAN),
    "empty marks are no marks": (
        {"from": {"id": "5", "uid": "", "admin_id": None, "admin_name": " "}},
        Sender.CUSTOMER,
    ),
    "a flow of the page": ({"from": {"id": "100", "is_automated": True}}, Sender.BOT),
    "a model in a member's name": ({"from": {"id": "5", "uid": "u9", "ai_generated": True}}, Sender.BOT),
    "a Botcake reply": ({"from": {"id": "100"}, "message": "[Botcake Reply] Chào bạn"}, Sender.BOT),
    "a Botcake reply in HTML": (
        {"from": {"id": "100"}, "message": "<div><p> [Botcake Reply] Chào</p></div>"},
        Sender.BOT,
    ),
    "a Botcake reply by its original text": (
        {"from": {"id": "100"}, "message": "", "original_message": "[Botcake Reply] Chào"},
        Sender.BOT,
    ),
    "the prefix in the middle is talk about it": (
        {"from": {"id": "100"}, "message": "Tin có [Botcake Reply] là của bot"},
        Sender.HUMAN,
    ),
    "a customer who writes the prefix": ({"from": {"id": "5"}, "message": "[Botcake Reply]"}, Sender.CUSTOMER),
    # a false alert is better than a silent customer
    "automated, but not the page's": ({"from": {"id": "5", "is_automated": True}}, Sender.CUSTOMER),
    "a system message comes before all": (
        {"from": {"id": "100", "uid": "u9", "is_automated": True}, "attachments": [None, {"type": "system_message"}]},
        Sender.SYSTEM,
    ),
    "a system message without a sender": ({"attachments": [{"type": "system_message"}]}, Sender.SYSTEM),
    "a photo is no system message": ({"from": {"id": "5"}, "attachments": [{"type": "photo"}]}, Sender.CUSTOMER),
}


@pytest.mark.parametrize("name", CASES)
def test_sender(name: str) -> None:
    data, expected = CASES[name]
    document = {
        "messageId": "m1",
        "conversationId": "100_5",
        "insertedAt": datetime(2026, 3, 3, tzinfo=UTC).timestamp(),
        "messageData": {"page_id": "100", **data},
    }
    assert sender_of(read_message(document).record, "100") is expected


def test_no_text_is_kept() -> None:
    document = {
        "messageId": "m1",
        "conversationId": "100_5",
        "insertedAt": 1772510602,
        "messageData": {"message": "secret words", "from": {"id": "5"}, "phone_info": ["840000000001"]},
    }
    assert "secret" not in repr(read_message(document))
    assert "840000000001" not in repr(read_message(document))
