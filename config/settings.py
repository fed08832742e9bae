"""What can be set, as frozen values that are read once and handed on. `config.load` makes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from config.answerers import AnswererSetting
from config.secret import Secret

T = TypeVar("T")


class SettingsError(Exception):
    """The settings are wrong. `faults` holds one sentence for each fault, all found at once."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True)
class StoreSettings:
    """Where the store is."""

    url: Secret
    """`sqlite:///FILE` (absolute) or `postgresql://...`, made from the DB_ settings if those are used."""
    pool_size: int = 5
    ssl: bool = False
    ssl_verify: bool = True


@dataclass(frozen=True)
class ConversationSettings:
    """When a conversation counts as late."""

    clock: str = "human"
    """`human`: only a person's answer counts; `customer`: a bot's counts too."""
    threshold: timedelta = timedelta(minutes=15)
    comments: bool = False
    """Whether comments under posts are watched as well."""


@dataclass(frozen=True)
class PancakeSettings:
    """How to reach Pancake as a live source."""

    page_tokens: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))
    """By page id."""
    user_token: Secret | None = None
    base_url: str = "https://pages.fm"
    first_sync: timedelta = timedelta(days=7)
    """How far back a page is read the first time."""
    overlap: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class MongoSettings:
    """A MongoDB that holds the conversations."""

    url: Secret
    database: str
    collections: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Names of `conversations`, `messages`, `pages` or `agents` that are not FolkForm's own."""
    trust: str = "auto"
    """By what FolkForm counts as up to date: `auto`, `agents`, `writes` or `always`."""
    priority_sync: bool = False
    """Whether `needsPrioritySync` is set there."""


@dataclass(frozen=True)
class AlertSettings:
    """Where alerts go and in which language."""

    channels: tuple[str, ...] = ("console",)
    language: str = "en"
    set_up: tuple[object, ...] = ()
    """The settings of each kind of channel that has some; also of one that is left out of `channels`."""
    templates: Path | None = None
    """The folder of texts of one's own, which others read and judge."""
    answerers: tuple[AnswererSetting, ...] = ()
    """Who may answer from chat besides the staff."""

    def of(self, kind: type[T]) -> T | None:
        """The settings of one kind of channel, by their type."""
        return next((settings for settings in self.set_up if isinstance(settings, kind)), None)


@dataclass(frozen=True)
class SqsSettings:
    """A queue of Amazon SQS, and how to get at it."""

    queue_url: str
    dead_letter_url: str | None = None
    """None: the queue's redrive policy names it."""
    region: str | None = None
    """None: the profile of AWS names it."""
    endpoint_url: str | None = None
    """None means Amazon's own."""
    access_key_id: Secret | None = None
    """None: the machine's role or its profile gives the key."""
    secret_access_key: Secret | None = None
    session_token: Secret | None = None

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue."""
        return self.queue_url.endswith(".fifo")


@dataclass(frozen=True)
class QueueSettings:
    """Where runs wait."""

    type: str = "local"
    """`local` (the store), `redis` or `sqs`."""
    name: str = "roundsman"
    redis_url: Secret | None = None
    """Set if the type is `redis`."""
    sqs: SqsSettings | None = None
    """Set if the type is `sqs`."""


@dataclass(frozen=True)
class RunEventSettings:
    """Who is told of the ends of runs; by default nobody."""

    url: Secret | None = None
    signing_key: Secret | None = None
    """Set if the URL is."""
    allow_private: bool = False
    """Whether the URL may lead into a private network or to this machine."""
    journal: bool = False


@dataclass(frozen=True)
class RunSettings:
    """How runs are executed."""

    concurrency: int = 8
    """Threads that execute steps."""
    max_retry: int = 3
    """Attempts of a step beyond the first."""
    step_timeout: timedelta = timedelta(minutes=5)
    kept_for: timedelta | None = timedelta(hours=24)
    """How long finished runs are kept; None is for ever."""
    events: RunEventSettings = field(default_factory=RunEventSettings)


@dataclass(frozen=True)
class InForce:
    """One setting as it counts now."""

    name: str
    value: str | Secret | None
    """As written, or the default; None when it is not set and has no default."""
    shown: str | None
    """The value as it may be printed."""
    source: str
    """`default`, `environment`, `.env line 3`, a file or a credential."""
    needs_restart: bool = False


@dataclass(frozen=True)
class Settings:
    """All settings. The unit is in the name or the type."""

    app_env: str
    state_dir: Path
    time_zone: ZoneInfo
    log_level: str
    shutdown_deadline: timedelta
    store: StoreSettings
    conversation: ConversationSettings
    alerts: AlertSettings
    mongo: MongoSettings | None = None
    """None: conversations are read in the store."""
    jobs: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Job name to its overridden facts (`schedule`, `timeout`, ...), as written: the registry, which knows the jobs,
    judges them."""
    workflows: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """The same for workflows (`concurrency`, `timeout`, `attempts`, `rate`)."""
    policies_file: Path | None = None
    """The file of policies, which others read and judge; None: `conversation` says all."""
    queue: QueueSettings = field(default_factory=QueueSettings)
    runs: RunSettings = field(default_factory=RunSettings)
    pancake: PancakeSettings | None = None
    """None: no live source of that kind."""
    notes: tuple[str, ...] = ()
    """What is no fault but should be said once."""
    in_force: tuple[InForce, ...] = field(default=(), repr=False)

    def with_source_of(self, other: "Settings") -> "Settings":
        """These, with the source of conversations of `other` where one of the two names a MongoDB and one does not:
        that takes effect after a restart."""
        if (self.mongo is None) == (other.mongo is None):
            return self
        return replace(self, mongo=other.mongo, pancake=other.pancake)

    def secrets(self) -> tuple[str, ...]:
        """Every text that must not reach a log, in all the forms in which it might."""
        return tuple(dict.fromkeys(self._secrets()))

    def _secrets(self) -> Iterator[str]:
        # All that were given: one that is set and not used is hidden as well
        given = [item.value.reveal() for item in self.in_force if isinstance(item.value, Secret)]
        for text in (*given, self.store.url.reveal()):
            if text.startswith("sqlite:"):
                continue
            yield text
            password = _password(text)
            if password:
                yield from (password, unquote(password))
        if self.pancake is not None:  # each for itself: the list of them is never seen as a whole
            yield from (token.reveal() for token in self.pancake.page_tokens.values())


def _password(text: str) -> str | None:
    try:
        return urlsplit(text).password if "://" in text else None
    except ValueError:  # one that nothing uses, and that was not judged
        return None
