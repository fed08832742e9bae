"""What happens in the sample's conversations: who is late, who only seems so, and who is none of our business."""

import random
from collections.abc import Callable

from shops import CLOSED, DRESSES, FLOWERS, OPEN_SHOPS, POTTERY, SILK, TEA, Document, Shop
from story import Story

Begin = Callable[..., Story]
"""Starts the next conversation at a shop: `begin(shop)` or `begin(shop, "COMMENT")`."""


def late(begin: Begin) -> list[Story]:
    """Customers who have waited more than 15 minutes for a person."""
    return [
        begin(FLOWERS).asks(17),
        begin(POTTERY).asks(95).answers(90).asks(26).asks(24),
        begin(SILK).asks(41),
        begin(TEA).asks(33).asks(31),  # no document describes it; see generate.py
        begin(DRESSES).asks(210).answers(190).asks(58),
        # bots do not stop the human clock
        begin(FLOWERS).asks(22).automated(21.9),
        begin(POTTERY).asks(47).ai_generated(46),
        begin(DRESSES).asks(75).botcake(74.5),
        # nor does what nobody can read any more
        begin(SILK).asks(64).answers(60, is_removed=True),
        begin(TEA).asks(38).answers(30, is_hidden=True),
        # nor a tag or an assignment of a minute ago, nor the platform's own notes
        begin(FLOWERS).asks(125).tagged("VIP", "NV9"),
        begin(POTTERY).asks(29).assigned_to("Thu Hà"),
        begin(SILK).asks(19).system(3),
        begin(TEA).asks(1500).answers(1490).asks(300).untagged(),
    ]


def fine(begin: Begin) -> list[Story]:
    """Customers who wait, but not for long."""
    shops = (*OPEN_SHOPS, *OPEN_SHOPS)
    return [begin(shop).asks(60).answers(50).asks(1 + index * 0.7) for index, shop in enumerate(shops)]


def excluded(begin: Begin) -> list[Story]:
    """Comments, unwanted people, and a page that is no longer synced; all would be late."""
    return [
        begin(FLOWERS, "COMMENT").asks(50),
        begin(POTTERY, "COMMENT").asks(140),
        begin(FLOWERS, "COMMENT_LIVESTREAM").asks(35),
        begin(POTTERY, "LIVESTREAM").asks(80),
        begin(FLOWERS, "POST").asks(400),
        begin(POTTERY, "RATING").asks(700),
        begin(FLOWERS).asks(90).tagged("spam"),
        begin(SILK).asks(90).tagged(None, " SPAM "),
        begin(POTTERY).asks(90).tagged("Khách block"),
        begin(TEA).asks(90).tagged("kha\u0301ch block"),  # the accent as a character of its own
        begin(DRESSES).asks(90).tagged("KHACH-BLOCK", None),
        begin(CLOSED).asks(45),
        begin(CLOSED).asks(600),
        begin(CLOSED).asks(30).automated(29),
    ]


def special(begin: Begin) -> list[Story]:
    """Odd, but nobody waits."""
    return [
        begin(FLOWERS).asks(40, is_removed=True),
        begin(POTTERY).asks(40).answers(40),  # at the same second
        begin(SILK).answers(20),  # the shop wrote first
        begin(TEA).system(100),
        begin(DRESSES).asks(60).automated(59).answers(57).tagged(None),
        begin(FLOWERS).asks(200).answers(180).asks(170, is_hidden=True),
    ]


def answered(story: Story, rng: random.Random) -> Story:
    """An ordinary talk with a good end."""
    ago = rng.uniform(30, 4000)
    for _ in range(rng.randint(1, 3)):
        story.asks(ago)
        if rng.random() < 0.3:
            story.automated(ago - 0.2)
        story.answers(ago - rng.uniform(1, 9))
        ago -= rng.uniform(9.5, 10)
    return rng.choice((story, story.untagged(), story.tagged("NV.11"), story.assigned_to("Lan Anh")))


def ordinary_shop(number: int) -> Shop:
    """Shops in turn."""
    return OPEN_SHOPS[number % len(OPEN_SHOPS)]


def broken_conversation() -> Document:
    """Its tags are a text where an array belongs; it is to be set aside."""
    return {
        "_id": {"$oid": f"{0xBAD1:024x}"},
        "pageId": FLOWERS.page_id,
        "conversationId": f"{FLOWERS.page_id}_broken",
        "panCakeData": {"id": f"{FLOWERS.page_id}_broken", "type": "INBOX", "tags": "VIP"},
    }


def broken_message(story: Story) -> Document:
    """Its time is a word ("yesterday"); it is to be set aside."""
    return {
        "_id": {"$oid": f"{0xBAD2:024x}"},
        "conversationId": story.conversation_id,
        "messageId": "m_broken",
        "messageData": {
            "id": "m_broken",
            "page_id": story.shop.page_id,
            "inserted_at": "hôm qua",
            "from": {"id": story.shop.page_id},
        },
    }
