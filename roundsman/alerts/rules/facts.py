"""What matchers look at: an alert's labels, and the facts beside them that have names of their own. Pure."""

from collections.abc import Mapping

from roundsman.repositories.alerts import Alert, Severity

NAMES = ("kind", "severity", "level", "subject", "job", "team")
"""They mean this also where a label is called the same."""


def facts_of(
    kind: str, severity: Severity, level: int, subject: str, job: str | None, labels: Mapping[str, str]
) -> dict[str, str]:
    """Of an alert that is about to be told; whoever knows its team adds `team`."""
    known = {"kind": kind, "severity": severity.value, "level": str(level), "subject": subject, "job": job or ""}
    return {name: str(value) for name, value in labels.items()} | known


def facts_of_alert(alert: Alert) -> dict[str, str]:
    """Of a stored alert, whose team is not known."""
    return facts_of(alert.kind, alert.severity, alert.level, alert.subject, alert.job, alert.labels)
