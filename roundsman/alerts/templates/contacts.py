"""Telephone numbers and e-mail addresses in texts, and how they are kept out of messages.

Customers write them into their names, and other programs into their errors. What counts as a number is decided by how
numbers are written in Vietnam and abroad, not by its length alone, as orders, amounts, dates and times are numbers
too. Between a customer's number and an order's the shape decides, and a `#`.

Every line of every message passes `shown` once, at its end, whatever text, fact or template it came from. That goes for
all channels alike: nobody can tell the chat of one person from one that others read along, and mails are passed on.
Whoever may know the number opens the conversation.
"""

import re
import unicodedata
from functools import lru_cache

from roundsman.alerts.message import LONGEST_LINE, cut, one_line

COVER = "•••"

_GAP = r"[\s.\-‐-―()_·]{0,3}"
"""What may stand between two digits of one number."""
_UNIT = r"(?:đ|₫|d|vnđ|vnd|dong|đồng|k|tr|triệu|tỷ|tỉ|usd|\$|€|%)(?!\w)"

_HARMLESS = "|".join(
    (
        rf"(?<![\w.,])[+-]?[1-9]\d{{0,2}}(?:[.,]\d{{3}})+(?:[.,]\d{{1,2}})?\s?{_UNIT}",  # 1.500.000đ, +1,500.00 USD
        r"(?<![\w.,])[+-]?[1-9]\d*\s?(?:đ|₫|vnđ|vnd|đồng)(?!\w)",  # 84900000000đ
        r"(?<![\w.,+])(?!84[.,]?[235789])[1-9]\d{0,2}(?:[.,]\d{3})+(?![.,]?\d)",  # 1.500.000
        r"(?<!\d)(?:19|20)\d\d-\d\d-\d\d(?!\d)",
        r"(?<!\d)\d{1,2}([-./])\d{1,2}\1(?:19|20)\d\d(?!\d)",
        r"(?<!\d)\d{1,2}:\d\d(?::\d\d)?(?!\d)",
        r"#\d+(?!\d)",  # an order
    )
)

_SUBSCRIBER = "|".join(
    (
        rf"[35789](?:{_GAP}\d){{8}}",  # a mobile
        rf"2(?:{_GAP}\d){{9}}",  # a landline with its area
        rf"1{_GAP}[2689](?:{_GAP}\d){{8}}",  # a mobile as they were until 2018
    )
)

_NUMBER = "|".join(
    (
        rf"\(?(?:(?:\+|00){_GAP})?84{_GAP}0?{_GAP}(?:{_SUBSCRIBER})",  # +84 (0) 90 123 45 67
        rf"\(?0{_GAP}(?:{_SUBSCRIBER})",  # (028) 3822 1234
        rf"\(?\+{_GAP}[1-9](?:{_GAP}\d){{6,14}}(?<![\s.\-]\d)",  # E.164; a last digit alone is another number
        rf"00[\s.\-]?(?!0)[1-9](?:{_GAP}\d){{9,13}}(?<![\s.\-]\d)",
        r"\(?[2-9]\d\d\)?[\s.\-]\d{3}[\s.\-]\d{4}",  # (415) 555-2671
    )
)

_ADDRESS = r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"

_KNOWN = re.compile(
    rf"(?P<address>{_ADDRESS})|(?P<harmless>{_HARMLESS})|(?<!\d)(?P<number>{_NUMBER})(?![:/]?\d)", re.IGNORECASE
)


def covered(text: str) -> str:
    """The text without telephone numbers and e-mail addresses."""
    plain = text if text.isascii() else "".join(map(_plain, text))
    parts, end = [], 0
    for found in _KNOWN.finditer(plain):
        if not found["harmless"]:
            parts += [text[end : found.start()], COVER]
            end = found.end()
    return "".join((*parts, text[end:]))


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """The character that it stands for: digits and signs of other scripts, and wide ones, are as good as ours."""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    wide = unicodedata.normalize("NFKC", char)
    return wide if len(wide) == 1 and wide.isascii() else char


def shown(value: object, longest: int = LONGEST_LINE) -> str:
    """The text of a value on one clean line, without contacts, cut to its length."""
    # Covered before it is cut: half a number is one that nobody recognises any more
    return cut(covered(one_line(value, 4 * LONGEST_LINE)), longest)
