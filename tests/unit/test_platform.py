"""Where a conversation takes place, and the link to it."""

import pytest

from roundsman.conversations.platform import Platform, deep_link, platform_of
from roundsman.repositories.conversations import Conversation, Page


@pytest.mark.parametrize(
    ("page_id", "kind", "platform"),
    [
        ("1083412906251", "INBOX", Platform.MESSENGER),
        ("wa_c.us@840000000101", "INBOX", Platform.WHATSAPP),
        ("zl_555", "INBOX", Platform.ZALO),
        ("pzl_555", "INBOX", Platform.ZALO),
        ("igo_17840000000019", "INBOX", Platform.INSTAGRAM),
        ("1083412906251", "INSTAGRAM_DIRECT", Platform.INSTAGRAM),
    ],
)
def test_platform(page_id: str, kind: str, platform: Platform) -> None:
    assert platform_of(Conversation("c", page_id, kind)) is platform


def test_links_name_the_page_and_are_quoted() -> None:
    conversation = Conversation("wa_c.us@84_1 2&x=1", "wa_c.us@84", "INBOX")
    assert (
        deep_link(Page("wa_c.us@84"), conversation) == "https://pancake.vn/wa_c.us%4084?c_id=wa_c.us%4084_1%202%26x%3D1"
    )
    assert deep_link(Page("1", username="aodai.ennho"), conversation).startswith("https://pancake.vn/aodai.ennho?c_id=")
