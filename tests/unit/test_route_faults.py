"""A sentence with its line for everything that can be wrong with the sections about alerts."""

import pytest
from policy_samples import SHOP, read

from roundsman.errors import ConfigurationError

ROUTE = """\
[[route]]
name = "r"
match = "kind=a"
"""
INHIBIT = """\
[[inhibit]]
name = "i"
source = "kind=a"
target = "kind=b"
"""


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return list(caught.value.faults)


CASES = {
    # what is written: what is said, from the number of the line on
    "[[rout]]": '1: "rout" is no word for this place; did you mean route?',
    '[route]\nname = "r"': "1: route is a table; begin each route with [[route]], in double brackets.",
    "inhibit = 5": "1: inhibit is 5; begin each inhibition with [[inhibit]], in double brackets.",
    "[[route]]": "1: route 1: name is missing.",
    ROUTE + 'chanels = ["slack"]': '4: route "r": "chanels" is no word for this place; did you mean channels?',
    ROUTE + 'channels = ["slak"]': '4: route "r": channels: no channel "slak" is set up; did you mean slack?',
    ROUTE + 'channels = ["slack",\n "email"]': (
        '5: route "r": channels: no channel "email" is set up; those set up are console, slack.'
    ),
    ROUTE + 'fallback = ["email"]': (
        '4: route "r": fallback: no channel "email" is set up; those set up are console, slack.'
    ),
    ROUTE + 'channels = ["slack"]\nfallback = ["console", "slack"]': (
        '5: route "r": fallback: names slack, which is one of its channels; name another one.'
    ),
    ROUTE + 'mention = ["lam"]\n[staff.lan]': '4: route "r": mention: nobody is called "lam"; did you mean lan?',
    ROUTE + 'mention = ["sale"]\n[team.sales]\ntelegram = "1"': (
        '4: route "r": mention: nobody is called "sale"; did you mean sales?'
    ),
    ROUTE + 'mention = ["boss"]': '4: route "r": mention: nobody is called "boss"; none is known.',
    ROUTE + 'mention = "sales"\n[team.sales]': (
        '4: route "r": mention: the team sales has neither members nor a group that Slack or Telegram knows; add some.'
    ),
    ROUTE + 'mention = "x"\n[staff.x]\n[team.x]\nmembers = ["x"]': (
        '4: route "r": mention: both somebody and a team are called "x"; name one of the two anew.'
    ),
    ROUTE + 'calendar = "shop"': '4: route "r": calendar: there is no calendar "shop"; none is known.',
    SHOP + ROUTE + 'calendar = "shopp"': ('7: route "r": calendar: there is no calendar "shopp"; did you mean shop?'),
    ROUTE + 'passes_from = "urgent"': (
        '4: route "r": passes_from: there is no severity "urgent"; known are critical, high, info, low, medium.'
    ),
    ROUTE + 'language = "fr"': '4: route "r": language: there is no language "fr"; known are en, vi.',
    ROUTE + "digest_from = 1": '4: route "r": digest_from: is 1; a whole number from 2 to 1000 is expected.',
    ROUTE + 'repeat = "30s"': '4: route "r": repeat: is "30s"; 1m or more is expected.',
    ROUTE + 'repeat = "often"': '4: route "r": repeat: is "often", which is no duration; write 10m or 1h30m.',
    ROUTE + 'gives_up_after = "0s"': (
        '4: route "r": gives_up_after: is "0s"; something above 0 and up to 366d is expected.'
    ),
    ROUTE + 'group_by = ["page id"]': '4: route "r": group_by: "page id" is no name of a label, such as page_id.',
    # matchers
    ROUTE.replace("kind=a", "kind"): (
        '3: route "r": match: "kind" is no matcher; write name=value, name!=value, name=~pattern or name!~pattern.'
    ),
    ROUTE.replace('"kind=a"', '["kind=a",\n "kind=~(a+)+"]'): (
        '4: route "r": match: "kind=~(a+)+" holds a pattern that can take too long, as it can match in too many ways;'
    ),
    ROUTE.replace("kind=a", "kind=~[a"): '3: route "r": match: "kind=~[a" holds a pattern whose [...] cannot be read;',
    ROUTE.replace("kind=a", "severity=hihg"): (
        '3: route "r": match: "severity=hihg" names no severity; known are critical, high, medium, low, info.'
    ),
    ROUTE.replace("kind=a", "severity!=hihg"): '3: route "r": match: "severity!=hihg" names no severity;',
    ROUTE.replace("kind=a", "severity=~hihg|crit"): '3: route "r": match: "severity=~hihg|crit" names no severity;',
    ROUTE.replace('"kind=a"', "5"): '3: route "r": match: is 5; a list of texts in quotes is expected.',
    ROUTE.replace('"kind=a"', '["kind=a", "kind=b"]'): (
        '3: route "r": match: no alert has both kind=a and kind=b; keep one of them, or write =~ with a | between.'
    ),
    # levels
    ROUTE + "level = 5": '4: route "r": level: is no list of levels; begin each with [[route.level]].',
    ROUTE + "[[route.level]]": '4: route "r": level 2: after is missing; write how long, such as 10m or 1h30m.',
    ROUTE + '[[route.level]]\nafter = "1h"\n[[route.level]]\nafter = "1h"': (
        '7: route "r": level 3: after: is "1h", which is not later than the level before it; make it longer.'
    ),
    ROUTE + '[[route.level]]\nafter = "1h"\nto = ["lan"]': (
        '6: route "r": level 2: to: nobody is called "lan"; none is known.'
    ),
    ROUTE + '[[route.level]]\nafter = "1h"\nchannels = ["mail"]': (
        '6: route "r": level 2: channels: no channel "mail" is set up; those set up are console, slack.'
    ),
    ROUTE + '[[route.level]]\nafter = "1h"\nwho = 1': '6: route "r": level 2: "who" is no word for this place;',
    # among each other
    ROUTE + ROUTE.replace("kind=a", "kind=b"): (
        '5: route "r": name: the route in line 1 is called so already; name one of the two anew.'
    ),
    '[[route]]\nname = "all"\n' + ROUTE: (
        '3: route "r": is never in force, as route "all" before it is for all; move that behind it.'
    ),
    '[[route]]\nname = "all"\nmatch = []\n[[route]]\nname = "rest"\n': (
        '4: route "rest": is never in force, as route "all" before it is for all; move that behind it.'
    ),
    ROUTE + '[[route]]\nname = "s"\nmatch = ["severity=high", "kind=a"]': (
        '4: route "s": is never in force, as route "r" before it means all that it means; move that behind it.'
    ),
    # inhibitions
    "[[inhibit]]\n" + INHIBIT.partition("\n")[2].partition("\n")[2]: "1: inhibition 1: name is missing.",
    '[[inhibit]]\nname = "i"\ntarget = "kind=b"': (
        '1: inhibition "i": source is missing; write which alerts, such as ["kind=page_stale"].'
    ),
    INHIBIT.replace('"kind=b"', "[]"): (
        '4: inhibition "i": target is missing; write which alerts, such as ["kind=page_stale"].'
    ),
    INHIBIT.replace("kind=b", "kind=a"): (
        '1: inhibition "i": source and target are the same, so that alerts would mute each other; change one of them.'
    ),
    INHIBIT + 'equal = ["page-id"]': '5: inhibition "i": equal: "page-id" is no name of a label, such as page_id.',
    INHIBIT + "equals = 1": '5: inhibition "i": "equals" is no word for this place; did you mean equal?',
    INHIBIT.replace('"i"', '"a page without data"'): (
        '2: inhibition "a page without data": name: is the name of an inhibition that is always there; choose another'
    ),
    INHIBIT + INHIBIT.replace("kind=a", "kind=c"): (
        '6: inhibition "i": name: the inhibition in line 1 is called so already; name one of the two anew.'
    ),
    INHIBIT + '[[inhibit]]\nname = "j"\nsource = "kind=b"\ntarget = "kind=a"': (
        '5: inhibition "j": is the reverse of "i", so that nobody would be told; keep one of them.'
    ),
}


@pytest.mark.parametrize("text", CASES)
def test_a_fault_is_one_sentence_with_its_line(text: str) -> None:
    (fault,) = faults(text)
    assert fault.removeprefix("policies.toml line ").startswith(CASES[text])
    assert fault.endswith((".", "?"))


def test_faults_of_all_sections_are_told_at_once_in_the_order_of_the_file() -> None:
    text = ROUTE + 'repeat = "1s"\n[[policy]]\nname = "p"\n' + INHIBIT.replace("kind=a", "kind") + "[stuff]\n"
    found = [fault.partition(": ")[0] for fault in faults(text)]
    assert found == [f"policies.toml line {line}" for line in (4, 5, 9, 11)]


def test_a_route_whose_matchers_are_wrong_makes_no_other_unreachable() -> None:
    (fault,) = faults(ROUTE.replace("kind=a", "kind") + '[[route]]\nname = "s"\nmatch = "kind=b"')
    assert "line 3" in fault
