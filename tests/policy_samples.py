"""Files of policies for tests, and how they are read there."""

from datetime import timedelta
from textwrap import dedent

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.file import read_policies
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
    return read_policies(
        dedent(text), "policies.toml", otherwise=OTHERWISE, channels=("console", "slack"), read_file=read_file
    )


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
