"""A whole message as plain text, for channels whose readers see text as it is."""

from roundsman.alerts.message import Item, Message, cut

LONGEST_ITEM = 200


def plain_text(message: Message, longest: int) -> str:
    """The title, the facts, the lines of a digest, whom it calls, and the link: at most so many characters.

    `longest` is some thousands: a link alone may be two thousand long.
    """
    head = cut("\n".join((f"{message.symbol} {cut(message.title, longest // 4)}", *message.lines)), longest // 2)
    foot = "\n".join(part for part in (cut(message.names, longest // 8), message.link) if part)
    items = message.listing(_item, longest - len(head) - len(foot) - 2)
    return "\n".join(part for part in (head, items, foot) if part)


def _item(item: Item) -> str:
    text = cut(item.text, LONGEST_ITEM)
    return f"- {text} {item.link}" if item.link else f"- {text}"
