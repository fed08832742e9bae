"""Text of people that stays text: no link, no call, no tag, no command, wherever a service looks for such by itself.

Telegram and mail programs find addresses in plain text and make links of them, and a customer may be named
`free-gift.example`. A word joiner breaks what they look for and is seen by nobody. (Not a zero-width joiner: that one
may be part of a name in an address.) Whoever copies such a text copies the joiners as well.
"""

import re

JOINER = "\u2060"

_LIVE = re.compile(
    r"(?<=[\w-])\.(?=[^\W\d_])"  # example.com, t.me
    r"|(?<=\d)\.(?=\d{1,3}\.\d{1,3}\.\d)"  # the first dot of 192.0.2.1
    r"|(?<=\w):(?=//)"  # tg://resolve
    r"|(?<![\w/])/(?=\w)"  # /start
    r"|[#＃@＠](?=[^\s#@])"
    r"|\$(?=[A-Za-z])",
)


def inert(text: str) -> str:
    """The text with a joiner behind whatever would come to life."""
    return _LIVE.sub(lambda found: found[0] + JOINER, text)
