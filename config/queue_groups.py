"""The settings of the queue and of the runs as groups, and the contradictions in them."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from config import catalogue as c
from config import queue_catalogue as q
from config.queue_fields import FOR_EVER, endpoint_in, is_inside, region_in
from config.reading import Values, without_password
from config.secret import Secret
from config.setting import Setting
from config.settings import QueueSettings, RunEventSettings, RunSettings, SqsSettings
from config.sources import ENVIRONMENT


def queue_of(values: Values, app_env: str) -> QueueSettings:
    """The queue that is meant, with what it needs. What only another one needs is listed, no more."""
    chosen = values.optional(q.QUEUE_TYPE)
    if chosen is None:
        by_default = not values.tried(q.QUEUE_TYPE)
        chosen = "sqs" if by_default and app_env == "production" else "local"
        values.replace_listed(q.QUEUE_TYPE, chosen, chosen, "default" if chosen == "local" else "APP_ENV=production")
    if chosen in _NEEDED and not values.tried(_NEEDED[chosen]):
        values.faults.append(_missing(values, chosen, _NEEDED[chosen].name))
    for kind, settings in (("redis", (q.REDIS_URL,)), ("sqs", q.SQS_SETTINGS)):
        if kind != chosen:
            _leave_aside(values, chosen, settings)
    return QueueSettings(
        chosen,
        values.required(q.QUEUE_NAME),
        _redis(values) if chosen == "redis" else None,
        _sqs(values) if chosen == "sqs" else None,
    )


_NEEDED = {"redis": q.REDIS_URL, "sqs": q.SQS_QUEUE_URL}


def _missing(values: Values, chosen: str, needed: str) -> str:
    given = values.given(q.QUEUE_TYPE)
    if given:
        return f"{given.label('QUEUE_TYPE')}: is {chosen}, without {needed}; set {needed}, or choose QUEUE_TYPE=local."
    env, node = values.given(c.APP_ENV), values.sources.plain(c.NODE_ENV)
    label = env.label(c.APP_ENV.name) if env else node.label(c.NODE_ENV) if node else c.APP_ENV.name
    return (
        f"{label}: production means QUEUE_TYPE=sqs unless said otherwise, and {needed} is not set; "
        f"set {needed}, or choose QUEUE_TYPE=local or QUEUE_TYPE=redis."
    )


def _leave_aside(values: Values, chosen: str, settings: Iterable[Setting[Any]]) -> None:
    for setting in settings:
        given = values.leave_aside(setting)
        # The AWS_ names stand in many an environment, for other tools
        if given and not (given.place == ENVIRONMENT and setting.name.startswith("AWS_")):
            values.notes.append(f"{given.label(setting.name)} has no effect: the queue is {chosen} (QUEUE_TYPE).")


def _redis(values: Values) -> Secret | None:
    url = values.optional(q.REDIS_URL)
    if url is None:
        return None
    values.replace_listed(q.REDIS_URL, url, without_password(url))
    return Secret(url)


def _sqs(values: Values) -> SqsSettings | None:
    queue_url, dead_letter_url = values.optional(q.SQS_QUEUE_URL), values.optional(q.SQS_DEAD_LETTER_URL)
    region, endpoint = _region(values, queue_url), _endpoint(values, queue_url)
    key, secret, token = (_secret(values, setting) for setting in _KEYS)
    _refuse_a_half_key(values)
    if queue_url is None:
        return None
    if dead_letter_url == queue_url:
        values.fault(q.SQS_DEAD_LETTER_URL, "is the queue itself; name the one of its dead letters, or remove it")
    elif dead_letter_url and dead_letter_url.endswith(".fifo") != queue_url.endswith(".fifo"):
        values.fault(q.SQS_DEAD_LETTER_URL, "must be of one kind with SQS_QUEUE_URL; both end in .fifo, or neither")
    return SqsSettings(queue_url, dead_letter_url, region, endpoint, key, secret, token)


def _region(values: Values, queue_url: str | None) -> str | None:
    """The queue's own region before the one that is set: that may be the one in which this machine is."""
    written, default = values.optional(q.AWS_REGION), values.optional(q.AWS_DEFAULT_REGION)
    named = values.given(q.AWS_REGION) or values.given(q.AWS_DEFAULT_REGION)
    stated = region_in(queue_url) if queue_url else None
    if stated:
        if (written or default) not in (None, stated):
            values.notes.append(f"SQS_QUEUE_URL is in {stated}: AWS_REGION says otherwise and has no effect.")
        values.replace_listed(q.AWS_REGION, stated, stated, "SQS_QUEUE_URL")
    elif queue_url and not named:
        values.notes.append("AWS_REGION is not set and SQS_QUEUE_URL tells no region: the AWS profile must name one.")
    return stated or written or default


def _endpoint(values: Values, queue_url: str | None) -> str | None:
    """As it is set, or where the queue is if that is not with Amazon: the client does not go by the queue's URL."""
    general, of_sqs = values.optional(q.AWS_ENDPOINT_URL), values.optional(q.AWS_ENDPOINT_URL_SQS)
    stated = endpoint_in(queue_url) if queue_url else None
    if stated and not (general or of_sqs):
        values.replace_listed(q.AWS_ENDPOINT_URL_SQS, stated, stated, "SQS_QUEUE_URL")
    return of_sqs or general or stated


_KEYS = (q.AWS_ACCESS_KEY_ID, q.AWS_SECRET_ACCESS_KEY, q.AWS_SESSION_TOKEN)


def _secret(values: Values, setting: Setting[str]) -> Secret | None:
    text = values.optional(setting)
    return Secret(text) if text else None


def _refuse_a_half_key(values: Values) -> None:
    pair: tuple[Setting[Any], ...] = (q.AWS_ACCESS_KEY_ID, q.AWS_SECRET_ACCESS_KEY)
    missing = " and ".join(setting.name for setting in pair if not values.tried(setting))
    for setting in _KEYS if missing else ():
        given = values.given(setting)
        if given:
            values.faults.append(
                f"{given.label(setting.name)}: is set without {missing}; set {missing} as well, or remove it."
            )
            return


def runs_of(values: Values) -> RunSettings:
    """How runs are executed."""
    kept_for = values.required(q.RUN_TTL_HOURS)
    return RunSettings(
        _concurrency(values),
        values.required(q.MAX_RETRY),
        timedelta(milliseconds=values.required(q.WORKER_TIMEOUT)),
        None if kept_for == FOR_EVER else kept_for,
        _events(values),
    )


def _events(values: Values) -> RunEventSettings:
    url, secret = values.optional(q.RUN_EVENTS_URL), _secret(values, q.RUN_EVENTS_SECRET)
    allow_private, journal = values.required(q.RUN_EVENTS_ALLOW_PRIVATE), values.required(q.RUN_EVENTS_JOURNAL)
    if url and not allow_private and (is_inside(url) or not url.lower().startswith("https:")):
        values.fault(
            q.RUN_EVENTS_URL,
            "leads into a private network or is no https:// address; set RUN_EVENTS_ALLOW_PRIVATE=on if that is meant",
        )
    given = values.given(q.RUN_EVENTS_URL)
    if given and not values.tried(q.RUN_EVENTS_SECRET):
        values.faults.append(
            f"{given.label(q.RUN_EVENTS_URL.name)}: is set without RUN_EVENTS_SECRET; set the secret that signs what "
            "is sent there."
        )
    if not values.tried(q.RUN_EVENTS_URL):
        only_with_it: tuple[Setting[Any], ...] = (q.RUN_EVENTS_SECRET, q.RUN_EVENTS_ALLOW_PRIVATE)
        values.notes.extend(
            f"{setting.name} has no effect without RUN_EVENTS_URL." for setting in only_with_it if values.tried(setting)
        )
    return RunEventSettings(Secret(url) if url else None, secret, allow_private, journal)


def _concurrency(values: Values) -> int:
    newer, older = values.required(q.WORKER_CONCURRENCY), values.optional(q.MAX_CONCURRENT_WORKERS)
    if older is None:
        return newer
    if values.tried(q.WORKER_CONCURRENCY):
        if older != newer:
            values.fault(q.MAX_CONCURRENT_WORKERS, "contradicts WORKER_CONCURRENCY; remove one of the two")
        return newer
    values.replace_listed(q.WORKER_CONCURRENCY, str(older), str(older), q.MAX_CONCURRENT_WORKERS.name)
    return older
