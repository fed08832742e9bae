"""Which channels are switched off, and with which settings each was last seen.

It is kept in the store and not in a process, so that a restart does not knock again on a door that said "never
again", and so that another process (`alerts test`) can open it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from roundsman.repositories.engine import upserting
from roundsman.repositories.tables import channels


@dataclass(frozen=True)
class ChannelState:
    """What the store knows of a channel."""

    channel: str
    off_since: datetime | None
    off_reason: str | None


class ChannelRepository:
    """Which channels are switched off, and with which settings they were last seen."""

    def register(self, connection: Connection, identities: Mapping[str, str]) -> set[str]:
        """Note the settings' digest of each channel; a switched-off one with other settings is on again.

        Returns those that this switched on.
        """
        known = {row.channel: row for row in connection.execute(select(channels))}
        switched_on = set()
        for name, identity in sorted(identities.items()):
            row = known.get(name)
            if row is None:
                new = upserting(connection)(channels).values(channel=name, identity=identity)
                connection.execute(new.on_conflict_do_nothing())  # of a daemon that starts at the same moment
            elif row.identity != identity:
                values = {"identity": identity, "off_since": None, "off_reason": None}
                connection.execute(update(channels).where(channels.c.channel == name).values(values))
                if row.off_since is not None:
                    switched_on.add(name)
        return switched_on

    def switch_off(self, connection: Connection, name: str, reason: str, now: datetime) -> bool:
        """True when this call switched it off, False when it was off already."""
        values = {"off_since": now, "off_reason": reason}
        guarded = update(channels).where(channels.c.channel == name, channels.c.off_since.is_(None))
        return connection.execute(guarded.values(values)).rowcount == 1

    def switch_on(self, connection: Connection, name: str) -> bool:
        """True when this call switched it on, False when it was on already."""
        values = {"off_since": None, "off_reason": None}
        guarded = update(channels).where(channels.c.channel == name, channels.c.off_since.is_not(None))
        return connection.execute(guarded.values(values)).rowcount == 1

    def usable(self, connection: Connection, names: Collection[str]) -> set[str]:
        """Those of them that are not switched off."""
        off = connection.execute(select(channels.c.channel).where(channels.c.off_since.is_not(None))).scalars()
        return set(names) - set(off)

    def states(self, connection: Connection) -> dict[str, ChannelState]:
        """All channels that were ever configured, by name."""
        query = select(channels.c.channel, channels.c.off_since, channels.c.off_reason)
        return {row.channel: ChannelState(**row._mapping) for row in connection.execute(query)}
