"""Matchers: what they mean, how they are written, and what is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roundsman.alerts.rules.matcher import LONGEST, Matcher, Operator, contradiction, cover
from roundsman.alerts.rules.pattern import LONGEST_TEXT

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=' "~=!\\'), max_size=40)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)


def reason(written: str) -> str:
    with pytest.raises(ValueError) as caught:
        Matcher.parse(written)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "found", "is_meant"),
    [
        ("kind=job_failing", "job_failing", True),
        ("kind=job_failing", "job_failing_twice", False),
        ("kind!=job_failing", "page_stale", True),
        ("kind!=job_failing", "job_failing", False),
        ("kind=~job_.*|page_stale", "job_missed", True),
        ("kind=~job_.*|page_stale", "page_stale", True),
        ("kind=~job", "job_missed", False),  # a pattern has to match all of it
        ("kind=~stale", "page_stale", False),
        ("kind!~job_.*|page_stale", "sync_failed", True),
        ("kind!~job_.*|page_stale", "page_stale", False),
        ("kind=~(?i)JOB_.*", "job_missed", True),
        ("kind=job.failing", "job_failing", False),
        ("kind=Job_failing", "job_failing", False),
        ("kind=", "", True),
        ("kind!=", "", False),
    ],
)
def test_each_operator_compares_in_its_way(written: str, found: str, is_meant: bool) -> None:
    assert Matcher.parse(written).covers({"kind": found, "severity": "high"}) is is_meant


def test_a_name_that_an_alert_does_not_have_is_the_empty_text() -> None:
    assert Matcher.parse("team=").covers({"kind": "x"})
    assert Matcher.parse("team!=sales").covers({"kind": "x"})
    assert not Matcher.parse("team=~.+").covers({"kind": "x"})


def test_all_of_several_have_to_mean_it_and_none_means_everything() -> None:
    both = [Matcher.parse("kind=a"), Matcher.parse("page_id!=1")]
    assert cover(both, {"kind": "a", "page_id": "2"})
    assert not cover(both, {"kind": "a", "page_id": "1"})
    assert not cover(both, {"kind": "b", "page_id": "2"})
    assert cover([], {"kind": "b"})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (" kind = a ", Matcher("kind", Operator.IS, "a")),
        ('kind="a b "', Matcher("kind", Operator.IS, "a b ")),
        ('kind=""', Matcher("kind", Operator.IS, "")),
        ('kind="', Matcher("kind", Operator.IS, '"')),
        ('kind="""', Matcher("kind", Operator.IS, '"')),
        ('kind="a" or "b"', Matcher("kind", Operator.IS, 'a" or "b')),  # the quotes at both ends alone count
        ('kind="~a"', Matcher("kind", Operator.IS, "~a")),
        ("kind==a", Matcher("kind", Operator.IS, "=a")),
        ("kind!=~a", Matcher("kind", Operator.IS_NOT, "~a")),
        ('kind=~"a|b"', Matcher("kind", Operator.MATCHES, "a|b")),
        ("tag=khách VIP", Matcher("tag", Operator.IS, "khách VIP")),
    ],
)
def test_spaces_and_quotes_around_a_value_are_no_part_of_it(written: str, read: Matcher) -> None:
    assert Matcher.parse(written) == read
    assert Matcher.parse(str(read)) == read


@given(NAMES, st.sampled_from(Operator), PRINTABLE)
@example("a", Operator.IS, "~")
@example("a", Operator.IS, '"')
@example("a", Operator.IS, '""')
@example("a", Operator.IS, " ")
@example("a", Operator.IS, '"~" ')
@example("a", Operator.IS_NOT, "~")
@example("a", Operator.IS, "x" * (LONGEST - 1))
@example("a", Operator.IS, " " * (LONGEST - 1))
def test_what_is_written_is_read_as_the_same(name: str, operator: Operator, value: str) -> None:
    matcher = Matcher(name, operator, value)
    try:
        read = Matcher.parse(str(matcher))
    except ValueError:
        assert operator.takes_pattern  # a text is always one
    else:
        assert read == matcher
        assert str(read) == str(matcher)


@given(st.text(st.characters(exclude_categories=("C", "Z"), include_characters=' "~=!abc'), max_size=30))
def test_what_can_be_read_is_written_so_that_it_is_read_again(written: str) -> None:
    try:
        matcher = Matcher.parse(written)
    except ValueError:
        return
    assert Matcher.parse(str(matcher)) == matcher


@given(st.sampled_from([Operator.IS, Operator.IS_NOT]), PRINTABLE, PRINTABLE)
def test_an_operator_and_its_opposite_never_agree(operator: Operator, value: str, found: str) -> None:
    opposite = Operator.IS_NOT if operator is Operator.IS else Operator.IS
    facts = {"a": found}
    assert Matcher("a", operator, value).covers(facts) is not Matcher("a", opposite, value).covers(facts)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "is no matcher; write name=value, name!=value, name=~pattern or name!~pattern"),
        ("kind", "is no matcher; "),
        ("=a", "is no matcher; "),
        ("page id=1", "is no matcher; "),
        ("kind<3", "is no matcher; "),
        ("kind=a\nb", "holds characters that cannot be printed; write it anew"),
        ("kind=\u202ea", "holds characters that cannot be printed; write it anew"),
        ("kind=" + "x" * LONGEST, f"is longer than {LONGEST} characters; write several matchers"),
        ("kind=~(a", "holds a pattern that cannot be read (missing ), unterminated subpattern"),
        ("kind=~*", "holds a pattern that cannot be read (nothing to repeat"),
    ],
)
def test_what_is_no_matcher_is_said_in_one_clause(written: str, said: str) -> None:
    assert reason(written).startswith(said)


def test_of_a_long_value_a_pattern_sees_the_beginning_alone() -> None:
    assert Matcher.parse("subject=~a{0,255}a").covers({"subject": "a" * LONGEST_TEXT + "b"})


def test_two_texts_for_one_name_contradict_each_other() -> None:
    a, b, pattern = (Matcher.parse(each) for each in ("kind=a", "kind=b", "kind=~a|b"))
    assert contradiction([a, pattern, b]) == (a, b)
    assert contradiction([a, pattern, a]) is None
    assert contradiction([a, Matcher.parse("job=b")]) is None
