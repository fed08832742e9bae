"""How fresh is FolkForm itself? What we read at noon may be what it knew at eleven: it is filled by a program that may
have died, and then every customer whom somebody answered since seems to wait.

A page without news is no sign of trouble, so the documents of a page cannot tell. What can are the agents, which check
in every minute and report when their jobs ran last; and whatever was written, was written by something alive.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from roundsman.conversations.document import BrokenFieldError, moment_of
from roundsman.conversations.mongo.database import MongoDatabase
from roundsman.conversations.mongo.shape import KEEP, projection
from roundsman.conversations.mongo.values import plain_value

_AGENT = projection(
    {
        "lastCheckInAt": KEEP,
        "jobStatus": [{"jobName": KEEP, "isEnabled": KEEP, "lastRunAt": KEEP, "lastRunStatus": KEEP}],
    }
)
_MOST_AGENTS = 1_000
_FAILED = ("fail", "error")
_AT_MOST_AHEAD = timedelta(minutes=10)


class Trust(StrEnum):
    """By what we believe that FolkForm is up to date."""

    AUTO = "auto"
    """By its agents where there are any, and otherwise always."""
    AGENTS = "agents"
    """By the last run of an agent's synchronisation, or the last write."""
    WRITES = "writes"
    """By the last write on any page: for installations where something is written all the time."""
    ALWAYS = "always"


def fresh_until(database: MongoDatabase, trust: Trust, now: datetime) -> datetime:
    """Until when FolkForm surely knew what Pancake knew; `now` if nothing speaks against it. Raises SourceError."""
    if trust is Trust.ALWAYS:
        return now
    agents = [] if trust is Trust.WRITES else _agents(database)
    if trust is Trust.AUTO and not agents:
        return now
    signs = [*agent_signs(agents), *_writes(database, now)]
    return min(max((each for each in signs if each <= now + _AT_MOST_AHEAD), default=_NEVER), now)


_NEVER = datetime(2004, 1, 1, tzinfo=UTC)


def agent_signs(agents: Iterable[Mapping[str, Any]]) -> list[datetime]:
    """When their synchronisation ran last. An agent that reports no such job tells it by its check-in."""
    signs: list[datetime | None] = []
    for agent in agents:
        reported = agent.get("jobStatus")
        jobs = [each for each in reported if isinstance(each, dict)] if isinstance(reported, list) else []
        syncs = [each for each in jobs if "sync" in str(each.get("jobName", "")).lower()]
        if not syncs:
            signs.append(_moment(agent, "lastCheckInAt"))
        signs += [_moment(each, "lastRunAt") for each in syncs if not _has_failed(each)]
    return [each for each in signs if each is not None]


def _has_failed(job: Mapping[str, Any]) -> bool:
    return str(job.get("lastRunStatus", "")).lower().startswith(_FAILED)


def _moment(document: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return moment_of(document, name)
    except BrokenFieldError:
        return None


def _agents(database: MongoDatabase) -> list[dict[str, Any]]:
    name = database.layout.names.agents
    if name is None:
        return []
    with database.connection.sentences():
        found = database.connection.collection(name).find({}, _AGENT).hint("_id_").limit(_MOST_AGENTS)
        return [plain_value(each) for each in found]


def _writes(database: MongoDatabase, now: datetime) -> list[datetime]:
    newest = (feed.newest(now) for feed in database.feeds())
    return [datetime.fromtimestamp(each / 1000, UTC) for each in newest if each is not None]
