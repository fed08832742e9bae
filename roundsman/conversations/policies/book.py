"""All policies in force, with the people and calendars that they name."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Self

from roundsman.conversations.policies.policy import Policy
from roundsman.conversations.policies.staff import Staff, Team
from roundsman.conversations.shifts.calendar import ShiftCalendar
from roundsman.repositories.watch_list import AnsweringClock

_DIGITS_OF_VERSION = 12


@dataclass(frozen=True)
class PolicyBook:
    """The first policy that covers a conversation is in force for it; where none does, it is `otherwise`."""

    otherwise: Policy
    """Made of the settings CONVERSATION_..."""
    policies: tuple[Policy, ...] = ()
    calendars: Mapping[str, ShiftCalendar] = field(default_factory=lambda: MappingProxyType({}))
    staff: Mapping[str, Staff] = field(default_factory=lambda: MappingProxyType({}))
    teams: Mapping[str, Team] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of_settings(cls, clock: AnsweringClock, threshold: timedelta, *, comments: bool) -> Self:
        """The book of an installation without a file of policies: one level, day and night, for all."""
        return cls(Policy("settings", threshold, threshold, clock=clock, comments=comments))

    def policy_for(self, page_id: str, type: str, tags: Sequence[str]) -> Policy:  # noqa: A002  Pancake's word
        """The policy in force for a conversation."""
        for policy in self.policies:
            if policy.scope.covers(page_id, type, tags):
                return policy
        return self.otherwise

    @property
    def all_policies(self) -> tuple[Policy, ...]:
        """Every one that may be in force, `otherwise` last."""
        if any(policy.scope.is_everything for policy in self.policies):
            return self.policies
        return (*self.policies, self.otherwise)

    @cached_property
    def staff_by_pancake(self) -> Mapping[str, Staff]:
        """Everybody under each of their ids in Pancake."""
        return MappingProxyType({account: each for each in self.staff.values() for account in each.pancake})

    @cached_property
    def version(self) -> str:
        """Equal for equal meaning, however it was written down."""
        staff, teams = ([each[1] for each in sorted(group.items())] for group in (self.staff, self.teams))
        text = repr((self.all_policies, staff, teams))
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS_OF_VERSION]
