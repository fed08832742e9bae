"""The product: one Job class a file, listed here and nowhere else. To add a job, write its file and add it below."""

from jobs.cleanup import Cleanup
from jobs.conversation_monitor import ConversationMonitor
from jobs.data_sync import DataSync
from jobs.job_watch import JobWatch
from jobs.mongo_sync import MongoSyncJob
from jobs.queue_poller import QueuePoller
from roundsman.scheduling.job import Job

JOBS: tuple[type[Job], ...] = (DataSync, MongoSyncJob, ConversationMonitor, QueuePoller, JobWatch, Cleanup)
