"""A sentence with its line for everything that can be wrong with a file of policies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_samples import POLICY, SHOP, read

from roundsman.errors import ConfigurationError


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return list(caught.value.faults)


CASES = {
    # what is written: what is said, from the number of the line on
    'x = "': "1: this is no TOML (",
    "[calender.shop]": '1: "calender" is no word for this place; did you mean calendar?',
    "calendar = 5": "1: calendar is 5; write [calendar.NAME].",
    "[calendar]\nshop = 5": "2: calendar: shop is 5; write [calendar.NAME].",
    '[policy]\nname = "p"': "1: policy is a table; begin each policy with [[policy]], in double brackets.",
    # calendars
    '[calendar.x]\nmon = ["24h"]': "1: calendar x: zone is missing.",
    '[calendar.x]\nzone = "Hanoi"\nmon = ["24h"]': (
        '2: calendar x: zone: is "Hanoi", which is no time zone; write one such as Asia/Ho_Chi_Minh.'
    ),
    '[calendar.x]\nzone = "UTC"': (
        '1: calendar x: has no hours; write some, such as mon-fri = ["08:30-12:00", "13:30-22:30"].'
    ),
    '[calendar.x]\nzone = "UTC"\nmon = []': "1: calendar x: has no hours; write some, such as mon-fri = [",
    '[calendar.x]\nzone = "UTC"\nmon = [\n"9-12"]': (
        '4: calendar x: mon: "9-12" is no time of day; write 08:30-12:00, 22:00-06:00 or 24h.'
    ),
    '[calendar.x]\nzone = "UTC"\nmon = ["24h"]\nmo-fr = []': (
        '4: calendar x: "mo-fr" is no word for this place; weekdays are mon, tue, wed, thu, fri, sat, sun, or mon-fri.'
    ),
    '[calendar.x]\nzone = "UTC"\nmon = ["24h"]\nmon-fri = ["24h"]': (
        "4: calendar x: mon-fri: names mon again, which has its hours in line 3; keep one of the two."
    ),
    '[calendar.x]\nzone = "UTC"\nmon = ["08:00-12:00",\n "11:00-13:00"]': (
        "3: calendar x: mon: on mon 08:00-12:00 and 11:00-13:00 overlap; change one of the two."
    ),
    SHOP + 'holidays = ["vietnam",\n "tett"]': (
        '5: calendar shop: holidays: "tett" is no holiday; write vietnam, tet, 24/12, lunar:15/7,'
        " country:DE or ical:FILE.ics."
    ),
    SHOP + 'holidays = ["31/4"]': (
        '4: calendar shop: holidays: "31/4" is no day of the year; write the day first, then the month, as in 24/12.'
    ),
    SHOP + 'holidays = ["lunar:31/1"]': '4: calendar shop: holidays: "lunar:31/1" is no day of the lunar',
    SHOP + 'holidays = ["country:XX"]': '4: calendar shop: holidays: "country:XX" names no country;',
    SHOP + 'holidays = ["ical:none.ics"]': '4: calendar shop: holidays: "ical:none.ics" does not exist.',
    SHOP + 'holidays = ["ical:broken.ics"]': (
        "4: calendar shop: holidays: broken.ics line 2: the event 'Outing' has no start (DTSTART)."
    ),
    SHOP + 'holidays = [{ on = "24/12", before = 2 }]': (
        '4: calendar shop: holidays: "24/12" takes no before and days; they belong to vietnam and tet.'
    ),
    SHOP + 'holidays = [{ on = "tet", befor = 2 }]': (
        '4: calendar shop: holidays: "befor" is no word for this place; did you mean before?'
    ),
    SHOP + "holidays = [5]": ("4: calendar shop: holidays: is 5; a list of texts or tables in quotes is expected."),
    SHOP + 'closed = ["2026-02-30"]': (
        '4: calendar shop: closed: "2026-02-30" is no date; write 2026-09-02, 2026-02-14..2026-02-22'
        " or 2026-10-10 12:00-18:00."
    ),
    SHOP + 'closed = ["2026-02-22..2026-02-14"]': '4: calendar shop: closed: "2026-02-22..2026-02-14" ends',
    SHOP + 'closed = [{ why = "x" }]': "4: calendar shop: closed: on is missing.",
    SHOP + 'open = ["2026-03-07"]': (
        "4: calendar shop: open: that day has no usual hours; add some, such as 09:00-12:00."
    ),
    # people
    '[staff.lan]\nslack = "@lan"': (
        '2: staff lan: slack: is "@lan", which is no member of Slack; copy the member ID, which begins with U.'
    ),
    '[staff.lan]\ncalendar = "shop"': '2: staff lan: calendar: there is no calendar "shop"; none is known.',
    '[staff.lan]\npancake = ["1"]\n[staff.minh]\npancake = ["1"]': (
        '4: staff minh: pancake: "1" belongs to staff lan in line 1 already; keep one of the two.'
    ),
    "[staff.team]": "1: staff team: the name team has a meaning of its own; choose another one.",
    '[staff.lan]\n[team.a]\nmembers = ["lam"]': ('3: team a: members: nobody is called "lam"; did you mean lan?'),
    "[team.a]\ndigest_from = 1": ("2: team a: digest_from: is 1; a whole number from 2 to 1000 is expected."),
    '[team.a]\nmanager = "boss"': '2: team a: manager: there is no staff "boss"; none is known.',
    # policies
    '[[policy]]\nname = "p"\nfirst_response = "10"': (
        '3: policy "p": first_response: is "10", which is no duration; write 10m or 1h30m.'
    ),
    '[[policy]]\nname = "p"\nfirst_response = 10': (
        '3: policy "p": first_response: is 10, which is no duration; write 10m or 1h30m.'
    ),
    '[[policy]]\nname = "p"': ('1: policy "p": first_response is missing; write how long, such as 10m or 1h30m.'),
    '[[policy]]\nfirst_response = "10m"': "1: policy 1: name is missing.",
    '[[policy]]\nname = "p"\nfirst_response = "0s"': (
        '3: policy "p": first_response: is "0s"; something above 0 and up to 366d is expected.'
    ),
    POLICY + 'warn_befor = "3m"': ('4: policy "p": "warn_befor" is no word for this place; did you mean warn_before?'),
    POLICY + 'warn_before = "10m"': (
        '4: policy "p": warn_before: is not shorter than the time that is allowed; make it shorter.'
    ),
    POLICY + 'clock = "robot"': '4: policy "p": clock: there is no clock "robot"; known are customer, human.',
    POLICY + 'comments = "yes"': '4: policy "p": comments: is "yes"; write true or false without quotes.',
    POLICY + 'exclude_tags = ["!!"]': ('4: policy "p": exclude_tags: "!!" holds no letter and no digit.'),
    POLICY + "pages = [1234]": '4: policy "p": pages: is 1234; a list of texts in quotes is expected.',
    POLICY + 'team = "sale"\n[team.sales]': ('4: policy "p": team: there is no team "sale"; did you mean sales?'),
    POLICY + 'team = "sale"\n[[policy.level]]\nto = ["team", "manager"]\n[team.sales]': (
        '4: policy "p": team: there is no team "sale"; did you mean sales?'
    ),
    POLICY + '[[policy.level]]\nto = ["team"]': (
        '5: policy "p": level 1: to: names the team, but the policy has no team; set one, such as team = "sales".'
    ),
    POLICY + 'team = "a"\n[[policy.level]]\nto = ["manager"]\n[team.a]': (
        '6: policy "p": level 1: to: names the manager, but the team a has none; set one.'
    ),
    POLICY + '[[policy.level]]\nto = ["assigne"]': (
        '5: policy "p": level 1: to: nobody is called "assigne"; did you mean assignee?'
    ),
    POLICY + '[[policy.level]]\nchannels = ["slak"]': (
        '5: policy "p": level 1: channels: no channel "slak" is set up; did you mean slack?'
    ),
    POLICY + '[[policy.level]]\nchannels = ["telegram"]': (
        '5: policy "p": level 1: channels: no channel "telegram" is set up; those set up are console, slack.'
    ),
    POLICY + '[[policy.level]]\nafter = "5m"': (
        '5: policy "p": level 1: after: is "5m", which is not later than the time that is allowed; make it longer.'
    ),
    POLICY + '[[policy.level]]\n[[policy.level]]\nafter = "10m"': (
        '6: policy "p": level 2: after: is "10m", which is not later than the time that is allowed; make it longer.'
    ),
    POLICY + '[[policy.level]]\n[[policy.level]]\nafter = "30m"\n[[policy.level]]\nafter = "30m"': (
        '8: policy "p": level 3: after: is "30m", which is not later than the level before it; make it longer.'
    ),
    POLICY + "[[policy.level]]\n[[policy.level]]\n": (
        '5: policy "p": level 2: after is missing; write the shift time since the wait began, such as 30m.'
    ),
    POLICY + "level = 5": '4: policy "p": level: is no list of levels; begin each with [[policy.level]].',
    POLICY + 'pages = ["1"]\n' + POLICY: (
        '6: policy "p": name: the policy in line 1 is called so already; name one of the two anew.'
    ),
    POLICY + POLICY.replace('"p"', '"q"'): (
        '4: policy "q": is never in force, as policy "p" before it is for all; move that to the end.'
    ),
}


@pytest.mark.parametrize("text", CASES)
def test_a_fault_is_one_sentence_with_its_line(text: str) -> None:
    (fault,) = faults(text)
    assert fault.removeprefix("policies.toml line ").startswith(CASES[text])
    assert fault.endswith((".", "?"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"a = {'[' * 5000}{']' * 5000}", "policies.toml is nested too deeply to be a file of policies."),
        (f"a = {'{a=' * 3000}1{'}' * 3000}", "policies.toml is nested too deeply to be a file of policies."),
        (f"a = {'9' * 5000}", "policies.toml holds a number with too many digits; write a shorter one."),
        (
            f'[[policy]]\nname = "p"\nfirst_response = 0x{"f" * 5000}',
            'policies.toml line 3: policy "p": first_response: is a large number, which is no duration; '
            "write 10m or 1h30m.",
        ),
    ],
    ids=["lists", "tables", "digits", "hexadecimal"],
)
def test_what_is_far_too_large_or_too_deep_is_one_sentence(text: str, sentence: str) -> None:
    assert faults(text) == [sentence]


def test_all_faults_are_found_at_once_in_the_order_of_the_file() -> None:
    found = faults(POLICY.replace("10m", "soon") + 'clok = "human"\n' + SHOP.replace("08:30", "8.30") + "[stuff]\n")
    assert [fault.partition(": ")[0].removeprefix("policies.toml line ") for fault in found] == ["3", "4", "7", "8"]


# --- anything at all ---

PIECES = st.sampled_from(
    ["[calendar.a]\n", "[staff.b]\n", "[team.c]\n", "[[policy]]\n", "[[policy.level]]\n", 'zone = "UTC"\n',
     'mon = "24h"\n', 'name = "p"\n', "name = 5\n",
     'to = ["b", 3]\n', "to = {}\n", 'after = "1h"\n', "after = []\n", "members = [[]]\n",
     'first_response = "1m"\n', "level = [1]\n", "holidays = [{}]\n", 'closed = [{ on = 1 }, "x"]\n', "policy = 1\n",
     "[[route]]\n", "[[route.level]]\n", "[[inhibit]]\n", 'match = ["kind=a", "b"]\n', "match = 5\n", "route = {}\n",
     'source = "severity=~high"\n', 'target = "kind=~(a*)*"\n', 'mention = ["b", "c"]\n', 'repeat = "1s"\n',
     "group_by = [[]]\n", 'language = "vi"\n', 'fallback = "console"\n', "digest_from = true\n",
     "team = []\n", "staff = 1\n", "open = [1979-05-27T07:32:00Z]\n", 'pages = "\\u202e"\n', 'closed = 2026-09-02\n'],
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_file_gets_through_with_a_traceback(text: str) -> None:
    said: tuple[str, ...] = ()
    try:
        assert read(text).version
    except ConfigurationError as error:
        said = error.faults or ("nothing was said",)
    assert all(fault.startswith("policies.toml line ") and fault.endswith((".", "?")) for fault in said)
    assert all("\n" not in fault and fault.isprintable() for fault in said)
