"""Patterns that a matcher may hold: Python's `re`, as far as it cannot take hours.

`re` tries, one after another, all ways in which a pattern can divide a text, and has no time limit: with `(\\w+\\s?)*`
or with `(a|aa)(a|aa)...` thirty characters that nearly match take longer than a working day, and one lock holds the
whole process meanwhile. So the ways are counted beforehand. A repetition has as many as there are lengths that it can
have, parts that follow each other multiply, alternatives add up, and a group that is repeated multiplies with itself.
That is an upper bound, as a text is looked at no further than `LONGEST_TEXT`; a pattern with more than `MOST_WAYS` is
refused. Two `.*` are fine, three are not: several matchers say the same and cost no more than their sum.

What has no bound that is plain to see is refused as well: references to groups, and conditions that look around.
"""

import re

LONGEST_TEXT = 256
"""Characters of a value that a pattern is compared with. Ids and names are far shorter."""
MOST_WAYS = 1 << 18
"""A few milliseconds for the worst text; two `.*` and a choice of four."""

_ESCAPED = re.compile(r"\\[^0-9]")
_CLASS = re.compile(r"\[\^?(?:\\.|[^\]\\\[])+\]")
_SET_OPERATION = re.compile(r"--|&&|\|\||~~")
"""Means nothing yet within a class, and Python warns that it will."""
_REPEATED = re.compile(r"(?:([*+?])|\{(\d+)\}|\{(\d*),(\d*)\})[?+]?")
_WITHOUT_CASE = "(?i)"


def compiled(text: str) -> re.Pattern[str]:
    """A pattern that is safe to be compared with any text. Raises ValueError with the second half of a sentence."""
    try:
        ways = _Reading(text).ways()  # first, as this refuses what Python would warn of
        found = re.compile(text)
    except (re.error, OverflowError) as error:
        raise ValueError(f"holds a pattern that cannot be read ({error}); correct it") from None
    if ways > MOST_WAYS:
        raise ValueError(
            "holds a pattern that can take too long, as it can match in too many ways; use fewer of * + ? | in it,"
            " or several matchers"
        )
    return found


class _Reading:
    """Goes through a pattern once. What `re` itself refuses need not be noticed here."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = len(_WITHOUT_CASE) if text.startswith(_WITHOUT_CASE) else 0

    def ways(self) -> int:
        ways = self._alternatives()
        if self._at < len(self._text):
            raise re.error("unbalanced parenthesis")
        return ways

    def _alternatives(self) -> int:
        ways = self._sequence()
        while self._take("|"):
            ways = _no_more(ways + self._sequence())
        return ways

    def _sequence(self) -> int:
        ways = 1
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            ways = _no_more(ways * self._part())
        return ways

    def _part(self) -> int:
        group = self._take("(")
        if group:
            if self._take("?") and not self._take(":"):
                raise ValueError("holds a pattern with a group that begins with (?; only (?: is known, and (?i) first")
            ways = self._alternatives()
            if not self._take(")"):
                raise re.error("missing ), unterminated subpattern")
        else:
            ways = 1
            self._single()
        span = self._repetition()
        return ways if span is None else _repeated(ways, *span, group=group)

    def _single(self) -> None:
        """One character, or what stands for one."""
        kind = self._text[self._at]
        if kind not in "\\[":
            self._at += 1
            return
        found = (_ESCAPED if kind == "\\" else _CLASS).match(self._text, self._at)
        if found is None and kind == "\\":
            raise ValueError("holds a pattern with \\ before a digit or at its end; write what is meant in another way")
        if found is None or (kind == "[" and _SET_OPERATION.search(found[0])):
            raise ValueError("holds a pattern whose [...] cannot be read; put \\ before each [ and ] that is meant")
        self._at = found.end()

    def _repetition(self) -> tuple[int, int] | None:
        """The least and the most times that what stands before comes."""
        found = _REPEATED.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        sign, times, least, most = found.groups()
        if sign:
            return (1 if sign == "+" else 0), (1 if sign == "?" else LONGEST_TEXT)
        low, high = int(times or least or 0), int(times or most or LONGEST_TEXT)
        if max(low, high) > LONGEST_TEXT:
            raise ValueError(f"holds a pattern that repeats more than {LONGEST_TEXT} times; write fewer")
        return low, max(low, high)

    def _take(self, sign: str) -> bool:
        found = self._text.startswith(sign, self._at)
        self._at += len(sign) if found else 0
        return found


def _repeated(ways: int, least: int, most: int, *, group: bool) -> int:
    """A group takes rounds even when it matches nothing, so that groups in groups are never cheap."""
    lengths = most - least + 1
    return _no_more(ways**most * (max(lengths, most) if group else lengths))


def _no_more(ways: int) -> int:
    """Beyond the limit all are the same; the true numbers would have thousands of digits."""
    return min(ways, MOST_WAYS + 1)
