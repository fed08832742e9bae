"""Who wrote a message: the ordered rule that holds on Messenger, WhatsApp, Zalo and Instagram alike.

Earlier programs asked for an e-mail address with "facebook.com" in it, which only Messenger customers have, or took
any word of the page as an answer, bots included. The rule here is DATASHAPES 4.8: system, then the page's side
(split into bot and human), then customer. It is applied when a thread is read, never stored: it needs the page of
the conversation, which may become known after the message.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from roundsman.repositories.conversations import MessageRecord

BOTCAKE_PREFIX = "[Botcake Reply]"
"""The only trace of a Botcake bot in the data, and only when the shop has switched it on."""


class Sender(StrEnum):
    """Who wrote a message."""

    CUSTOMER = "customer"
    HUMAN = "human"
    """A person on the page's side."""
    BOT = "bot"
    """A flow, an automatic answer or a language model on the page's side."""
    SYSTEM = "system"
    """The platform's own notes, such as "you can now call each other"."""


class ChatMessage(NamedTuple):
    """One message of a thread, as far as the waiting clocks care."""

    sent_at: datetime
    sender: Sender
    sender_name: str | None = None
    is_removed: bool = False
    is_hidden: bool = False
    is_closure: bool = False
    """No message, but somebody's word that all until then is dealt with."""


def sender_of(message: MessageRecord, page_id: str) -> Sender:
    """The rule. Ids are compared as text.

    The order is deliberate. A message that is automated but shows no sign of the page's side stays the customer's:
    a false alert costs a glance, a customer taken for a bot waits for ever.
    """
    if message.is_system:
        return Sender.SYSTEM
    if message.is_staff or message.sender_id == page_id:
        return Sender.BOT if message.is_automated else Sender.HUMAN
    return Sender.CUSTOMER


def chat_message(message: MessageRecord, page_id: str) -> ChatMessage:
    """A stored message with its sender, as seen from the page of its conversation."""
    return ChatMessage(
        message.sent_at, sender_of(message, page_id), message.sender_name, message.is_removed, message.is_hidden
    )
