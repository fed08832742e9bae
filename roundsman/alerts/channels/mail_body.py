"""A message as the text and as the HTML of a mail."""

import html
from dataclasses import replace

from roundsman.alerts.channels.inert import inert
from roundsman.alerts.channels.plain import plain_text
from roundsman.alerts.message import Item, Message, escaped

LONGEST_TEXT = 10_000
"""Of each of the two forms: what is longer is no message any more, but a list that nobody reads."""
LONGEST_ITEM = 200


def mail_text(message: Message) -> str:
    """As plain text."""
    return plain_text(_inert(message), LONGEST_TEXT)


def mail_html(message: Message) -> str:
    """As HTML without anything of its own but the links that the message has."""
    message = _inert(message)
    title = escaped(f"{message.symbol} {message.title}", html.escape, LONGEST_TEXT // 8)
    lines = escaped("\n".join(message.lines), html.escape, LONGEST_TEXT // 4)
    names = escaped(message.names, html.escape, LONGEST_TEXT // 8)
    items = message.listing(_item, LONGEST_TEXT // 2)
    parts = [f"<p><b>{title}</b></p>"]
    parts += [f"<p>{each}</p>".replace("\n", "<br>\n") for each in (lines, items, names) if each]
    if message.link:
        parts.append(f'<p><a href="{html.escape(message.link)}">{html.escape(message.link_label)}</a></p>')
    return "\n".join(["<!DOCTYPE html>", "<html><body>", *parts, "</body></html>"])


def _item(item: Item) -> str:
    text = escaped(item.text, html.escape, LONGEST_ITEM)
    return f'• <a href="{html.escape(item.link)}">{text}</a>' if item.link else f"• {text}"


def _inert(message: Message) -> Message:
    """Programs make links of what looks like one in a text, the one in HTML as well."""
    return replace(
        message,
        title=inert(message.title),
        lines=tuple(map(inert, message.lines)),
        items=tuple(replace(item, text=inert(item.text)) for item in message.items),
        mentions=tuple(replace(each, name=inert(each.name)) for each in message.mentions),
    )
