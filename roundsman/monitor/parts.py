"""What every look at conversations needs: where it reads, by which rules it judges, and where it tells."""

from dataclasses import dataclass

from roundsman.alerts.book import AlertBook
from roundsman.conversations.policies.book import PolicyBook
from roundsman.conversations.source import ConversationSource
from roundsman.repositories.engine import Store


@dataclass(frozen=True)
class MonitorParts:
    """The parts of one monitor."""

    store: Store
    source: ConversationSource
    policies: PolicyBook
    alerts: AlertBook
    job: str
    """Named in the alerts."""
