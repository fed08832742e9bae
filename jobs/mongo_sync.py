"""Keeps the watch list true to FolkForm's MongoDB: what has changed there since the last round, page by page.

A MongoDB that is away is no failure of ours, to be told at each tick: the pages grow stale, and that is told.
"""

from datetime import timedelta

from roundsman.conversations.live import LiveSync
from roundsman.errors import SourceError
from roundsman.scheduling.job import CatchUp, Job, JobContext, Outcome


class MongoSyncJob(Job):
    """Off unless MongoDB is set up."""

    name = "mongo_sync"
    schedule = "every 30s"
    timeout = timedelta(minutes=5)
    run_at_start = True
    catch_up = CatchUp.SKIP  # the next run brings all of it
    needs = "mongo"

    def __init__(self, sync: LiveSync) -> None:
        self._sync = sync

    def run(self, ctx: JobContext) -> Outcome:
        try:
            return Outcome.done(**self._sync.run_once(ctx.stop))
        except SourceError as error:
            ctx.log.warning("Nothing was read: %s", error)
            return Outcome.cancelled(str(error))
