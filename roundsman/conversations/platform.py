"""Where a conversation takes place, and the link that opens it in Pancake."""

from enum import StrEnum
from urllib.parse import quote

from roundsman.repositories.conversations import Conversation, Page


class Platform(StrEnum):
    """The chat networks that Pancake joins."""

    MESSENGER = "messenger"
    WHATSAPP = "whatsapp"
    ZALO = "zalo"
    INSTAGRAM = "instagram"


_BY_PAGE_PREFIX = {
    "wa_": Platform.WHATSAPP,
    "waba_": Platform.WHATSAPP,
    "zl_": Platform.ZALO,
    "pzl_": Platform.ZALO,
    "igo_": Platform.INSTAGRAM,
    "ig_": Platform.INSTAGRAM,
}
"""How Pancake names pages that are not Facebook's; those are plain numbers."""


def platform_of(conversation: Conversation) -> Platform:
    """The network of a conversation, by its page's id or, failing that, a type that names it."""
    for prefix, platform in _BY_PAGE_PREFIX.items():
        if conversation.page_id.startswith(prefix):
            return platform
    return next((each for each in Platform if each.value in conversation.type.lower()), Platform.MESSENGER)


def deep_link(page: Page, conversation: Conversation) -> str:
    """The address of a conversation in Pancake."""
    return (
        f"https://pancake.vn/{quote(page.username or page.page_id, safe='')}"
        f"?c_id={quote(conversation.conversation_id, safe='')}"
    )
