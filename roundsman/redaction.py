"""Takes secrets out of text that is about to leave the process.

Two nets. Registered secrets (tokens, webhook URLs, passwords known from the settings) are replaced in all the
forms in which libraries print them: raw, percent-encoded, escaped by repr or JSON; of a URL also its path, because
HTTP clients report host and path apart. And patterns catch what nobody registered: Telegram's `/bot<token>/`,
Slack's webhook paths and `xox` tokens, `access_token=` of the Pancake API, passwords inside URLs.

Redaction happens once, on the finished text, so that arguments, tracebacks and extra fields pass the same net.
"""

import json
import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST_SECRET = 6
"""Shorter values are not registered: they would blank out ordinary words."""
SHORTEST_PATH = 16
"""The path of a secret URL counts as secret itself from this length; `/webhook` alone tells nothing."""

# Every repetition before a literal is bounded: an unbounded one is quadratic on a long message.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"/bot\d{1,20}(?::|%3A)[\w-]+", re.I), f"/bot{MASK}"),
    (re.compile(r"\b\d{6,12}:[A-Za-z0-9_-]{30,}"), MASK),
    (re.compile(r"(hooks\.slack(?:-gov)?\.com/)[^\s\"'<>)]+"), rf"\1{MASK}"),
    (re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/\w+"), f"/services/{MASK}"),
    (re.compile(r"\bx(?:ox[a-z]|app)-[\w-]{6,}"), MASK),
    (re.compile(r"((?:page_)?access_token[\"']?\s{0,2}[=:]\s{0,2}[\"']?)[^\s&\"'<>#,;}]+"), rf"\1{MASK}"),
    (re.compile(r"([?&](?:token|key|api_key|apikey|secret|password|signature|sig)=)[^\s&\"'<>#]+"), rf"\1{MASK}"),
    (
        re.compile(r"(authorization[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?:\w{1,20}\s)?)[^\s\"',}]+", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (re.compile(r"(\bBearer\s)[\w.~+/=-]{16,}"), rf"\1{MASK}"),
    (re.compile(r"(://[^\s:/@]{0,256}:)[^\s/]{1,512}@"), rf"\1{MASK}@"),
)


class Redactor:
    """Call it with a text; it answers the text without secrets. Safe to use from many threads."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._forms: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Register more secrets. What was registered stays: an old token may still be in flight after a reload."""
        with self._lock:
            self._forms = self._forms.union(form for secret in secrets for form in _forms(secret))
            if self._forms:
                longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
                self._known = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        known = self._known
        if known is not None:
            text = known.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _forms(secret: str) -> Iterator[str]:
    for part in _parts(secret):
        percent = quote(part, safe="")
        yield from (
            part,
            percent,
            re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), percent),
            quote(part),
            quote_plus(part),
            repr(part)[1:-1],
            json.dumps(part)[1:-1],
            json.dumps(part, ensure_ascii=False)[1:-1],
        )


def _parts(secret: str) -> Iterator[str]:
    """The secret, each line of a long one (a traceback indents them), and of a URL what is secret alone."""
    lines = secret.strip().splitlines()
    yield from (line for line in (secret, secret.strip(), *map(str.strip, lines)) if len(line) >= SHORTEST_SECRET)
    if "://" not in secret:
        return
    try:
        url = urlsplit(secret.strip())
        password = url.password or ""
    except ValueError:
        return
    yield from (form for form in (password, unquote(password)) if len(form) >= SHORTEST_SECRET)
    path = url.path + (f"?{url.query}" if url.query else "")
    yield from (form for form in {path, url.path, url.query} if len(form) >= SHORTEST_PATH)
