"""A sender whose process dies while it delivers, and the channels that outlive it; for random tests of alerts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from alert_samples import Mailbox, sender_of

from roundsman.alerts.channels.base import DeliveryError, Fault
from roundsman.alerts.delivery import Delivered
from roundsman.alerts.sender import Sender
from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.engine import Store
from roundsman.repositories.tables import alerts, notifications

FATES = ("none", "failing", "killed before", "killed after")


class Killed(BaseException):
    pass


@dataclass
class MortalMailbox(Mailbox):
    """A channel whose process dies, or whose service fails, on command, before or after the message arrived."""

    fate: str = "none"

    def meet_fate_before(self) -> str:
        """The fate of this message; the one after it has none."""
        fate, self.fate = self.fate, "none"
        if fate == "killed before":
            raise Killed
        if fate == "failing":
            raise DeliveryError(Fault.TEMPORARY, "HTTP 503")
        return fate

    def meet_fate_after(self, fate: str) -> None:
        if fate == "killed after":
            raise Killed


M = TypeVar("M", bound=MortalMailbox)


@dataclass
class MortalSender(Generic[M]):
    """The store, the channels that outlive every process, and the process of now."""

    store: Store
    clock: ManualClock
    mailboxes: Mapping[str, M]
    kills: int = 0
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        with self.store.write() as connection:
            connection.execute(notifications.delete())
            connection.execute(alerts.delete())
        self.restart()

    def restart(self) -> None:
        me = Owner.this_process()
        life = Owner(me.host, me.place, me.pid, -self.kills)  # no process ever started then, so it is seen dead
        self.sender = sender_of(self.store, self.clock, list(self.mailboxes.values()), life)
        self.sender.register()

    def deliver(self, name: str, fate: str) -> Delivered | None:
        """One look of the sender; None if it died of it, and another one lives."""
        self.mailboxes[name].fate = fate
        try:
            return self.sender.run_once(name)
        except Killed:
            self.kills += 1
            self.restart()
            return None
        finally:
            self.mailboxes[name].fate = "none"
