"""What all tests share: a clean environment, the clock, the stores over both databases, and the policy on skips.

A missing server skips a test on a developer's machine, with its reason in the summary. In CI (the variable `CI` is
set) every skip is a failure: a suite that silently stopped testing PostgreSQL or systemd would look green.
"""

import os

_OURS = (
    "ROUNDSMAN_", "CONVERSATION_", "ALERT_", "SLACK_", "TELEGRAM_", "SMTP_", "PANCAKE_", "JOB_", "DB_", "PG",
    "WORKFLOW_", "WORKER_", "QUEUE_", "SQS_", "REDIS_", "MONGO_", "LLM_", "GEMINI_", "BEDROCK_", "AWS_", "MCP_",
    "RUN_EVENTS_", "POLICIES_",
)  # fmt: skip
_OURS_ALONE = (
    "APP_ENV", "NODE_ENV", "DATABASE_URL", "LOG_LEVEL", "PORT", "MAX_RETRY", "CONFIDENCE_THRESHOLD",
    "MAX_CONCURRENT_WORKERS", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC",
    "WATCHDOG_PID", "INVOCATION_ID", "JOURNAL_STREAM",
)  # fmt: skip
for _name in list(os.environ):  # before anything of ours is imported
    if _name.startswith(_OURS) or _name in _OURS_ALONE:
        del os.environ[_name]
for _name in ("NO_PROXY", "no_proxy"):  # the fakes of Slack and Telegram listen on loopback
    os.environ[_name] = "localhost,127.0.0.1,::1"

import signal  # noqa: E402  the environment is scrubbed first
from collections.abc import Generator, Iterator  # noqa: E402
from contextlib import ExitStack, closing  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, TypeVar  # noqa: E402

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from mongo_server import MongoPlace, MongoServer, shared_mongo, start_mongo, stop_mongo  # noqa: E402
from pymongo.write_concern import WriteConcern  # noqa: E402
from queue_places import Offer, QueuePlace, offers  # noqa: E402
from redis_server import RedisServer, shared_redis, start_redis, stop_redis  # noqa: E402
from run_bench import Benches  # noqa: E402
from servers import (  # noqa: E402
    TEMPLATE,
    PostgresServer,
    ServerMissingError,
    make_folder,
    remove_folder,
    shared_postgres,
)
from sqlalchemy.engine import URL  # noqa: E402
from sqlite_copies import copied_store  # noqa: E402
from sqs_server import SqsServer, shared_sqs  # noqa: E402

from roundsman.clock import ManualClock  # noqa: E402
from roundsman.repositories.engine import Store, StoreOptions  # noqa: E402
from roundsman.repositories.schema import ensure_schema  # noqa: E402

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

settings.register_profile("ci", max_examples=300, deadline=None, print_blob=True)
settings.register_profile(
    "local", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # other work on the machine is no fault of the test
settings.load_profile("ci" if IN_CI else "local")


# --- skips ---


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # xdist sends reports as UTF-8; a lone surrogate in captured output would end the worker, and with it, silently,
    # all the tests that it had not run yet.
    report.sections = [(title, text.encode("utf-8", "backslashreplace").decode()) for title, text in report.sections]
    return _failed_if_skipped_in_ci(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _failed_if_skipped_in_ci((yield))


_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def _failed_if_skipped_in_ci(report: _Report) -> _Report:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Skipped where nothing may be skipped (CI is set): {reason}"
    return report


# --- order ---


@pytest.hookimpl(trylast=True)  # after the shuffle
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest goes first: at the end no worker waits minutes for another one's last test."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


# --- servers ---

_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell makes whatever it puts into the background deaf to Ctrl-C, and so would the daemons be that tests start
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "needs(*features): what a queue's place must be able to do (queue_places.py)")
    told: dict[str, Any] = getattr(config, "workerinput", {})
    config.stash[_folder] = Path(told["servers"]) if told else make_folder()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Called by xdist in the controller for each worker."""
    node.workerinput["servers"] = str(node.config.stash[_folder])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and _folder in config.stash:
        remove_folder(config.stash[_folder])


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> PostgresServer:
    """The run's PostgreSQL, shared by all tests: leave its other databases alone, and do not stop it."""
    try:
        return shared_postgres(pytestconfig.stash[_folder])
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> RedisServer:
    """The run's Redis, shared by all tests: use keys of your own, and do not stop it."""
    try:
        return shared_redis(pytestconfig.stash[_folder])
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def mongo_server(pytestconfig: pytest.Config) -> MongoServer:
    """The run's MongoDB, shared by all tests: use your own database, and do not stop it."""
    try:
        return shared_mongo(pytestconfig.stash[_folder])
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sqs_server(pytestconfig: pytest.Config) -> SqsServer:
    """The run's stand-in for Amazon SQS, shared by all tests: make an account of your own, and do not stop it."""
    try:
        return shared_sqs(pytestconfig.stash[_folder])
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may maltreat."""
    try:
        yield start_redis(tmp_path)
    except ServerMissingError as error:
        pytest.skip(str(error))
    finally:
        stop_redis(tmp_path)


@pytest.fixture
def mongo(mongo_server: MongoServer) -> Iterator[MongoPlace]:
    """An empty database in the run's MongoDB."""
    with mongo_server.database() as place:
        yield place


@pytest.fixture
def own_mongo(tmp_path: Path) -> Iterator[MongoPlace]:
    """A MongoDB that the test may maltreat."""
    try:
        server = start_mongo(tmp_path)
        with server.client() as client:
            # what was acknowledged is there after a kill -9
            yield MongoPlace(server, client.get_database("own", write_concern=WriteConcern("majority", j=True)))
    except ServerMissingError as error:
        pytest.skip(str(error))
    finally:
        stop_mongo(tmp_path)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[URL]:
    """An empty PostgreSQL database of the test's own."""
    with postgres_server.database() as url:
        yield url


# --- the contract of queues ---


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of the contract with a `place` runs over every place that has the features which it needs."""
    if "place" not in metafunc.fixturenames or metafunc.definition.path.parent.name != "contract":
        return
    needed = {feature for mark in metafunc.definition.iter_markers("needs") for feature in mark.args}
    missing = pytest.mark.skip(reason="the adapter is not there yet")
    params = [
        pytest.param(offer, id=name, marks=offer.marks if offer else missing)
        for name, offer in offers().items()
        if offer is None or needed <= offer.features
    ]
    metafunc.parametrize("place", params, indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[QueuePlace]:
    """An empty place for messages."""
    offer: Offer = request.param
    with offer.make(request) as made:
        yield made


# --- parts ---


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 3, 4, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty SQLite store with the schema. A copy costs a fifth of making it anew."""
    file = tmp_path_factory.mktemp("template") / "roundsman.db"
    with closing(Store(StoreOptions(URL.create("sqlite", database=str(file))))) as store:
        ensure_schema(store, backups=file.parent, clock=ManualClock(datetime(2026, 3, 3, 4, 0, tzinfo=UTC)))
    return file  # closing has moved everything from the journal into it


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    """A SQLite store with the schema, in `tmp_path/roundsman.db`."""
    with closing(copied_store(sqlite_template, tmp_path / "roundsman.db")) as store:
        yield store


@pytest.fixture
def postgres_store(postgres_server: PostgresServer) -> Iterator[Store]:
    """A PostgreSQL store with the schema, copied from the run's template."""
    with postgres_server.database(template=TEMPLATE) as url, closing(Store(StoreOptions(url))) as store:
        yield store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Store:
    """A store with the schema; the test runs once over each database."""
    chosen: Store = request.getfixturevalue(f"{request.param}_store")
    return chosen


@pytest.fixture
def benches(store: Store, clock: ManualClock) -> Iterator[Benches]:
    """Engines and desks over a store; the test runs once over each database."""
    with ExitStack() as stack:
        yield Benches(stack, store, clock)


@pytest.fixture
def sqlite_benches(sqlite_store: Store, clock: ManualClock) -> Iterator[Benches]:
    """The same for what does not depend on the database."""
    with ExitStack() as stack:
        yield Benches(stack, sqlite_store, clock)
