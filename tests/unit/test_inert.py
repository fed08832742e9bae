"""Names of people that look like links, calls, tags or commands come to life on no channel."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundsman.alerts.channels.inert import JOINER, inert

LIVE = re.compile(
    r"""[\w-]+\.[^\W\d_]{2,}            # a domain
      | \d+\.\d+\.\d+\.\d+              # an address of a machine
      | \w+://                          # a scheme
      | (?:^|[^\w/])/[A-Za-z]\w*        # a command
      | @\w | \#\w | \$[A-Z]            # a call, a tag, a cashtag
    """,
    re.VERBOSE,
)
"""What services look for in a text."""


@pytest.mark.parametrize(
    "name",
    [
        "example.com", "free-gift.example", "www.xn--vi-xyz.vn/a?b=c", "https://evil.example/x", "tg://resolve?domain=x",
        "t.me/joinchat", "@admin", "Lan @here", "#sale", "$VND", "/start", "Lan /stop@bot", "192.0.2.1", "ví.vn",
        "a.b.cd", "(example.com)", "Lan:/start",
    ],
)  # fmt: skip
def test_what_looks_like_a_link_a_call_or_a_command_is_broken(name: str) -> None:
    assert LIVE.search(name), "the sample shows nothing"
    told = inert(name)
    assert not LIVE.search(told), told
    assert told.replace(JOINER, "") == name


@pytest.mark.parametrize(
    "text", ["1.500.000đ", "10:37 03/03", "Shop A (Messenger/Zalo)", "và 3 mục khác.", "v1.2.3", "50%", "a. b", "C# 5"]
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert inert(text) == text


@given(st.text(alphabet="ab1.@#/$: -_é", max_size=30))
def test_whatever_is_made_of_such_marks_is_broken_and_reads_the_same(text: str) -> None:
    assert not LIVE.search(inert(text))
    assert inert(text).replace(JOINER, "") == text
