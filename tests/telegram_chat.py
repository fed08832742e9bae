"""One chat of Telegram, as far as the Bot API shows it: each message has a number, and each change its rules.

Forwards are messages with numbers of their own; they name their origin, and lose the buttons. What a bot forwarded, and
what others wrote, it cannot edit. A chat with protected content lets nothing be forwarded; elsewhere only the messages
of the service itself, such as that somebody joined, cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any, NamedTuple

BOT, LAN = 123456789, 77
"""Who writes."""


class Answer(NamedTuple):
    """Of the Bot API."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Post:
    """A message that stands in the chat."""

    body: dict[str, Any]
    """As the request had it that wrote or changed it last."""
    author: int = BOT
    origin: int | None = None
    """Of a forward: who wrote what it shows."""
    is_service: bool = False
    topic: int | None = None

    @property
    def text(self) -> str:
        return str(self.body.get("text", ""))


class TelegramChat:
    """The state of the chat, and what each method does to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.posts: dict[int, Post] = {}
        self.last = 0
        """Numbers of what was deleted are not used again."""
        self.is_protected = False
        self.shows_links = True

    def write(self, text: str, author: int = LAN, **facts: Any) -> int:
        """Somebody writes."""
        return self._add(Post({"text": text}, author, **facts))

    def call(self, method: str, body: dict[str, Any]) -> Answer:
        call = {
            "sendMessage": self._send, "editMessageText": self._edit,
            "forwardMessage": self._forward, "deleteMessage": self._delete,
        }[method]  # fmt: skip
        return call(body)

    def _send(self, body: dict[str, Any]) -> Answer:
        return self._show(self._add(Post(body, topic=body.get("message_thread_id"))))

    def _edit(self, body: dict[str, Any]) -> Answer:
        number = int(body["message_id"])
        post = self.posts.get(number)
        if post is None:
            return bad_request("message to edit not found")
        if post.author != BOT or post.origin is not None:
            return bad_request("message can't be edited")
        if all(post.body.get(part) == body.get(part) for part in ("text", "reply_markup")):
            return bad_request("message is not modified: specified new message content and reply markup are the same")
        self.posts[number] = replace(post, body=body)
        return self._show(number)

    def _forward(self, body: dict[str, Any]) -> Answer:
        assert str(body["from_chat_id"]) == str(body["chat_id"]) == self.name
        assert body["disable_notification"] is True, "nobody is to be woken by it"
        post = self.posts.get(int(body["message_id"]))
        if post is None:
            return bad_request("message to forward not found")
        if self.is_protected or post.is_service:
            return bad_request("the message can't be forwarded")
        origin = post.author if post.origin is None else post.origin
        shown = {"text": post.text, "parse_mode": post.body.get("parse_mode")}
        return self._show(self._add(Post(shown, BOT, origin, topic=body.get("message_thread_id"))))

    def _delete(self, body: dict[str, Any]) -> Answer:
        post = self.posts.get(int(body["message_id"]))
        if post is None:
            return bad_request("message to delete not found")
        if post.author != BOT:
            return bad_request("message can't be deleted")
        del self.posts[int(body["message_id"])]
        return Answer(200, {"ok": True, "result": True})

    def _add(self, post: Post) -> int:
        self.last += 1
        self.posts[self.last] = post
        return self.last

    def _show(self, number: int) -> Answer:
        post = self.posts[number]
        parsed = _Parsed()
        parsed.feed(post.text)
        parsed.close()
        origin = {"forward_origin": {"type": "user", "sender_user": {"id": post.origin}}} if post.origin else {}
        result = {
            "message_id": number, "from": {"id": post.author, "is_bot": post.author == BOT},
            "chat": {"id": self.name}, "text": parsed.text, **origin,
        }  # fmt: skip
        if parsed.links and self.shows_links:
            result["entities"] = parsed.links
        return Answer(200, {"ok": True, "result": result})


class _Parsed(HTMLParser):
    """The text of a message without its tags, and where it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.links: list[dict[str, Any]] = []
        self._open: tuple[int, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._open = (self._end, str(dict(attrs).get("href")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._open is not None:
            begin, url = self._open
            self.links.append({"type": "text_link", "offset": begin, "length": self._end - begin, "url": url})
            self._open = None

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def _end(self) -> int:
        return len(self.text.encode("utf-16-le")) // 2


def bad_request(said: str) -> Answer:
    return Answer(400, {"ok": False, "error_code": 400, "description": f"Bad Request: {said}"})
