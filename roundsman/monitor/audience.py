"""Who is to be told: the people of a level, with the names by which the services know them."""

from collections.abc import Sequence
from datetime import datetime

from roundsman.conversations.policies.policy import Policy, PolicyBook
from roundsman.repositories.audience import EVERYBODY, Audience
from roundsman.repositories.conversations import WatchedConversation


def audience_of(
    watched: WatchedConversation, policy: Policy, levels: Sequence[int], book: PolicyBook, now: datetime
) -> Audience:
    """The people of all these levels: the lower ones may have fallen due while the daemon was away."""
    return EVERYBODY
