"""Files of policies for tests, and how they are read there."""

from datetime import timedelta
from textwrap import dedent

from roundsman.alerts.rules.file import read_rules
from roundsman.alerts.rules.route import Rules
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.file import PolicyFile, read_policies
from roundsman.conversations.policies.policy import Policy

QUARTER = timedelta(minutes=15)
OTHERWISE = Policy("settings", QUARTER, QUARTER)
FILES = {
    "team.ics": "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nSUMMARY:Outing\nDTSTART;VALUE=DATE:20260303\nEND:VEVENT\n"
    "END:VCALENDAR\n",
    "broken.ics": "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nSUMMARY:Outing\nEND:VEVENT\nEND:VCALENDAR\n",
}


def read_file(name: str) -> str:
    try:
        return FILES[name]
    except KeyError:
        raise ValueError("does not exist") from None


def read(text: str) -> PolicyBook:
    return read_both(text)[0]


def rules_of(text: str) -> Rules:
    return read_both(text)[1]


def read_both(text: str) -> tuple[PolicyBook, Rules]:
    file = PolicyFile(dedent(text), "policies.toml", channels=("console", "slack"), read_file=read_file)
    found = read_policies(file, OTHERWISE), read_rules(file)
    file.refuse_faults()
    return found


SHOP = """\
[calendar.shop]
zone = "Asia/Ho_Chi_Minh"
mon-fri = ["08:30-12:00"]
"""  # lines 1 to 3
POLICY = """\
[[policy]]
name = "p"
first_response = "10m"
"""
