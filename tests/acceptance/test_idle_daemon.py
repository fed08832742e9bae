"""What a daemon with nothing configured carries: whatever it does not use it does not import."""

import re
from pathlib import Path

from daemon_process import PRODUCT, Place

LIBRARIES = {
    "alembic", "bson", "boto3", "botocore", "dateutil", "holidays", "icalendar", "psycopg", "pydantic", "pymongo",
    "recurring_ical_events", "redis", "requests", "rich", "slack_sdk", "tomllib", "typer", "urllib3",
}  # fmt: skip
MODULES = {
    "roundsman.app.pancake", "roundsman.conversations.importer", "roundsman.conversations.mongo.database",
    "roundsman.conversations.pancake.transport", "roundsman.conversations.policies.file",
    "roundsman.conversations.shifts.holidays", "roundsman.conversations.shifts.ical",
    "roundsman.conversations.shifts.lunar", "roundsman.queues.redis", "roundsman.queues.sqs.client",
    "roundsman.runs.findings", "roundsman.runs.interventions", "roundsman.runs.remote_queue",
    "roundsman.runs.sinks.webhook", "roundsman.webhooks.post",
}  # fmt: skip
CHANNELS = {f"roundsman.alerts.channels.{name}" for name in ("email", "in_app", "slack", "telegram", "webhook")}


def test_an_idle_daemon_imports_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    place = Place(tmp_path, program=PRODUCT)
    with place.start(PYTHONPROFILEIMPORTTIME="1").ready() as daemon:
        place.ended("conversation_monitor")
        assert daemon.stop() == 0
    imported = set(re.findall(r"(?m)^import time: .*\| +([\w.]+)$", daemon.log()))
    assert {"sqlalchemy", "apscheduler", "roundsman.runs.engine", "roundsman.alerts.channels.console"} <= imported
    assert imported & (LIBRARIES | MODULES | CHANNELS) == set()
