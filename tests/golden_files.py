"""Where the golden fixtures lie, and the policies by which they are judged."""

from datetime import timedelta
from pathlib import Path

from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.file import PolicyFile, read_policies
from roundsman.conversations.policies.policy import Policy

GOLDEN = Path(__file__).with_name("golden")
POLICIES = GOLDEN / "policies.toml"


def golden_book() -> PolicyBook:
    file = PolicyFile(
        POLICIES.read_text(encoding="utf-8"),
        POLICIES.name,
        channels=["console"],
        read_file=lambda name: (GOLDEN / name).read_text(encoding="utf-8"),
    )
    book = read_policies(file, Policy("settings", timedelta(minutes=15), timedelta(minutes=15)))
    file.refuse_faults()
    return book
