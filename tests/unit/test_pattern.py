"""Patterns of matchers: those that could hold up the process are refused, and the others are quick on any text.

How long one takes is measured in this thread's own time, as other tests run beside this one.
"""

import time
import warnings

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from roundsman.alerts.rules.pattern import LONGEST_TEXT, compiled

ALLOWED_S = 1.0
"""Hundreds of times what the worst pattern takes on the machine where it was written; a catastrophe takes years."""

HARMLESS = [
    "", "a", "a|b|c", "job_.*", ".*-test", ".*shop.*", r"\d+", r"shop-\d{1,6}", "[a-f0-9-]{36}", "[^:]*:[^:]*",
    "(?:north|south)-(shop|store)-.*", "(?i)vip.*", r"a\.b\|c", r"[\]\[]", "a{3}", "a?b?c?", "(ab){2}", "(ab)+",
    r"\(.*\)", "a{", "a{}", "{x}", ".*?x.*", ".*+x", "[*+?(|)]", r"\\", "^a$", r"\bx\b", "a{2}?",
]  # fmt: skip

CATASTROPHIC = [
    "(a+)+", "(a*)*b", "(a|a)*", "(a|aa)+", "(a|b|ab)*c", r"(\w+\s?)*", "(.*)*", "(.+)+", "((a)*)*", "(?:a+)+",
    "(a?){30}", "(a|aa)" * 30, "(a?a?)" * 30, "a?" * 60, ".*.*.*", ".*a.*b.*c", "(.*a){20}", "(a{1,200}){1,200}",
    "([a-z]+)*", "(x+x+)+y", r"^(([a-z])+.)+[A-Z]([a-z])+", r"(\d+)*\.", "(?i)(a+)+", "(){200}" + "(a?){40}",
    "((){250}){250}", "((((a{0,9}){0,9}){0,9}){0,9})",
]  # fmt: skip


def seconds(pattern: str, text: str) -> float:
    found = compiled(pattern)
    begun = time.thread_time()
    found.fullmatch(text[:LONGEST_TEXT])
    return time.thread_time() - begun


@pytest.mark.parametrize("pattern", HARMLESS)
def test_a_plain_pattern_is_taken(pattern: str) -> None:
    assert compiled(pattern).pattern == pattern


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_pattern_that_can_match_in_too_many_ways_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="can take too long, as it can match in too many ways; use fewer of"):
        compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(a)\1", r"holds a pattern with \ before a digit or at its end;"),
        ("a\\", r"holds a pattern with \ before a digit or at its end;"),
        ("(?=a)b", "holds a pattern with a group that begins with (?; only (?: is known, and (?i) first"),
        ("(?P<x>a)", "holds a pattern with a group that begins with (?;"),
        ("(?x)a", "holds a pattern with a group that begins with (?;"),
        ("a(?i)b", "holds a pattern with a group that begins with (?;"),
        ("a{257}", "holds a pattern that repeats more than 256 times; write fewer"),
        ("a{99999999999999999999}", "holds a pattern that repeats more than 256 times; write fewer"),
        ("[[a]", "holds a pattern whose [...] cannot be read; put \\ before each [ and ] that is meant"),
        ("[a--b]", "holds a pattern whose [...] cannot be read;"),
        ("[a", "holds a pattern whose [...] cannot be read;"),
        ("[]a]", "holds a pattern whose [...] cannot be read;"),
        ("a)", "holds a pattern that cannot be read (unbalanced parenthesis"),
        ("(a", "holds a pattern that cannot be read (missing ), unterminated subpattern"),
        ("a**", "holds a pattern that cannot be read (multiple repeat"),
        ("+a", "holds a pattern that cannot be read (nothing to repeat"),
        ("a{3,2}", "holds a pattern that cannot be read (min repeat greater than max repeat"),
        (r"\q", r"holds a pattern that cannot be read (bad escape \q"),
        ("(" * 99 + ")" * 98, "holds a pattern that cannot be read (missing ), unterminated subpattern"),
    ],
)
def test_a_pattern_that_cannot_be_read_or_judged_is_said(pattern: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        compiled(pattern)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "pattern",
    [".*.*x", ".*.*.?x", "a*a*b", ".*(x|.{100}y|.{90}z).*", "(ab)*(ba)*c", "(a|b|c){9}d", "(?:.{9}){3}.*.*y",
     "a?" * 17 + "b", "|".join([".*.*x"] * 3), "(?i).*a.*b", "[^x]*[^y]*z", "(()*)" * 2],
)  # fmt: skip
@pytest.mark.parametrize("piece", ["a", "ab", "x", "é"])
def test_the_worst_that_is_taken_is_quick(pattern: str, piece: str) -> None:
    assert seconds(pattern, piece * LONGEST_TEXT) < ALLOWED_S
    assert seconds(pattern, piece * 100 + "!") < ALLOWED_S


PIECES = st.sampled_from(
    ["a", "b", ".", "[ab]", r"\w", "(", "(?:", ")", "|", "*", "+", "?", "{2}", "{0,9}", "{1,}", "*?", "(a|ab)", "(a*)",
     "^", "$", "(|a)"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=14).map("".join), st.sampled_from(["a", "ab", "b", "aab"]))
def test_whatever_is_taken_is_quick_on_texts_that_nearly_match(pattern: str, piece: str) -> None:
    try:
        compiled(pattern)
    except ValueError:
        assume(False)
    for text in (piece * LONGEST_TEXT, piece * 60 + "!", ""):
        assert seconds(pattern, text) < ALLOWED_S


@given(st.text(st.sampled_from("ab.*+?()[]{}|\\0129,^$-:=!<P&~"), max_size=30))
def test_any_text_is_taken_or_refused_in_one_clause_and_never_warned_of(pattern: str) -> None:
    said = "holds a pattern "
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compiled(pattern)
        except ValueError as error:
            said = str(error)
    assert said.startswith("holds a pattern ")
