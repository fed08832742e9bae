"""Who is to be told: the people of a level, with the names by which the services know them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from roundsman.conversations.charges import assigned_at
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.policies.policy import Level, Policy, Recipient, RecipientKind
from roundsman.repositories.audience import Audience, Mention
from roundsman.repositories.conversations import WatchedConversation


def audience_of(
    watched: WatchedConversation, policy: Policy, levels: Sequence[int], book: PolicyBook, now: datetime
) -> Audience:
    """The people of all these levels: the lower ones may have fallen due while the daemon was away.

    A level that names no channels goes to all that are set up, and so does whatever is told together with it.
    """
    chosen = [each for each in policy.levels if each.number in levels] or [policy.levels[0]]
    mentions = dict.fromkeys(
        mention for level in chosen for each in level.to for mention in _mentions(each, watched, policy, book, now)
    )
    return Audience(
        team=policy.team.key if policy.team is not None else None,
        channels=_channels(chosen),
        mentions=tuple(mentions),
        digest_from=policy.team.digest_from if policy.team is not None else None,
    )


def _channels(levels: Sequence[Level]) -> tuple[str, ...]:
    if not all(level.channels for level in levels):
        return ()
    return tuple(dict.fromkeys(channel for level in levels for channel in level.channels))


def _mentions(
    recipient: Recipient, watched: WatchedConversation, policy: Policy, book: PolicyBook, now: datetime
) -> Iterable[Mention]:
    match recipient.kind:
        case RecipientKind.STAFF if recipient.staff is not None:
            yield recipient.staff.mention
        case RecipientKind.MANAGER if policy.team is not None and policy.team.manager is not None:
            yield policy.team.manager.mention
        case RecipientKind.TEAM if policy.team is not None:
            yield from policy.team.mentions
        case RecipientKind.ASSIGNEE:
            for person in assigned_at(watched.conversation, now):
                known = book.staff_by_pancake.get(person.id)
                if known is not None:
                    yield known.mention
                elif person.name:
                    yield Mention(person.name)
