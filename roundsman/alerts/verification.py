"""The last look before somebody is alarmed: is it still so?

Between a job's round and the moment when a message leaves, minutes may pass: the channel was down, or a storm was
told first. Whoever knows the kind of trouble looks again at the very end, so that nobody is called for a customer who
was answered meanwhile. A look that fails stops nothing: told in vain is better than not told.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from roundsman.errors import place_of
from roundsman.logs import fields
from roundsman.repositories.alerts import Alert, Resolution

Verifier = Callable[[Sequence[Alert]], Mapping[str, Resolution]]
"""Which of these open alerts, all of one kind, are over by now, by fingerprint. Called on the thread of a channel,
it has to come back within a few seconds, and several threads may call it at once."""

log = logging.getLogger(__name__)


def over_by_now(verifiers: Mapping[str, Verifier], alerts: Sequence[Alert]) -> dict[str, Resolution]:
    """What the verifier of their kind, if there is one, says of these alerts."""
    verify = verifiers.get(alerts[0].kind)
    if verify is None:
        return {}
    try:
        found = verify(alerts)
    except Exception as fault:  # noqa: BLE001 - whatever a look runs into must not keep an alert back
        log.warning(
            "It was not possible to look again before telling of %d alerts of %s (%s %s); they are told as they are",
            len(alerts), alerts[0].kind, type(fault).__name__, place_of(fault), extra=fields(ALERT_KIND=alerts[0].kind),
        )  # fmt: skip
        return {}
    asked = {alert.fingerprint for alert in alerts}
    return {fingerprint: resolution for fingerprint, resolution in found.items() if fingerprint in asked}
