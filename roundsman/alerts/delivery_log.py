"""What the journal says of a delivery.

It is the last one who can still tell somebody: news that no channel is left for is said at priority crit, once a
message, with the alert as a field, so that whoever watches the journal hears of it.
"""

import logging
from datetime import datetime

from roundsman.alerts.outcome import Delivered, Outcome, Recorded
from roundsman.logs import fields

log = logging.getLogger(__name__)


def tell(outcome: Outcome, recorded: Recorded, now: datetime) -> None:
    """Say what came of a delivery, after its record."""
    claim, about = outcome.claim, outcome.about
    extra = fields(
        ALERT=about,
        ALERT_KIND=outcome.kind,
        ALERT_SEVERITY=outcome.severity.value,
        CHANNEL=claim.channel,
        NOTIFICATION=str(claim.id),
    )
    if not recorded.kept:
        log.warning("Another process took over notification %d before its end was recorded", claim.id)
    if outcome.error is None:
        log.debug("Told %s of %s (%s)", claim.channel, about, outcome.receipt, extra=extra)
        return
    reason, onward = outcome.error.reason, recorded.onward
    if recorded.delivered is Delivered.CHANNEL_OFF:
        log.critical(
            "Channel %s is switched off: %s. What waits there goes on to the next channel of its route, or waits; "
            "mend its settings, or try `roundsman alerts test %s`.",
            claim.channel, reason, claim.channel, extra=extra,
        )  # fmt: skip
    if onward is not None and onward.to:
        log.warning("Gave up on %s for the message about %s: %s; goes on to %s", claim.channel, about, reason,
                    ", ".join(onward.channels), extra=extra)  # fmt: skip
    if recorded.delivered is Delivered.GIVEN_UP and (onward is None or not onward.is_whole):
        _tell_of_no_way(outcome, reason, extra)
    elif recorded.again_at is not None:
        _tell_of_retry(outcome, recorded, (recorded.again_at - now).total_seconds(), extra)


def _tell_of_no_way(outcome: Outcome, reason: str, extra: dict[str, str]) -> None:
    claim, about = outcome.claim, outcome.about
    if claim.event.is_change:
        log.error("%s will never take the message about %s: %s", claim.channel, about, reason, extra=extra)
        return
    log.critical(
        "%s will never take the message about %s: %s; no other channel is left to tell it",
        claim.channel, about, reason, extra=extra,
    )  # fmt: skip


def _tell_of_retry(outcome: Outcome, recorded: Recorded, seconds: float, extra: dict[str, str]) -> None:
    claim, reason = outcome.claim, outcome.error.reason if outcome.error else ""
    if recorded.is_untaken:
        log.critical(
            "%s did not take the message about %s in %d tries: %s; no other channel is left to tell it, "
            "and it is tried on as long as the alert is open",
            claim.channel, outcome.about, claim.attempts, reason, extra=extra,
        )  # fmt: skip
        return
    log.warning(
        "%s did not take the message about %s (attempt %d): %s; next try in %.0f s",
        claim.channel, outcome.about, claim.attempts, reason, seconds, extra=extra,
    )  # fmt: skip
