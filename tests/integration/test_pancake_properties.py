"""Whatever happens in whatever order: in the end the store holds what Pancake holds, and it never claimed too much."""

from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fake_pancake import Cursor, FakePancake, Misdeed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pancake_bench import PAGE, Bench, staff, truth
from sqlite_copies import copied_store

from roundsman.clock import ManualClock
from roundsman.conversations.pancake.fault import PancakeError
from roundsman.conversations.pancake.page_syncer import SyncOptions
from roundsman.repositories.page_syncs import PageSyncRepository

START = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
FAULTS = [each for each in Misdeed if each not in (Misdeed.SLOW, Misdeed.HUGE)]

say = st.tuples(st.just("say"), st.integers(0, 6), st.booleans())
crowd = st.tuples(st.just("crowd"), st.sampled_from([30, 58, 62]))
remove = st.tuples(st.just("remove"), st.integers(0, 1000))
wait = st.tuples(st.just("wait"), st.sampled_from([0, 1, 30, 60, 600, 7_000]))
sync = st.tuples(st.just("sync"), st.sampled_from([0.5, 5, 60]))
fault = st.tuples(st.just("fault"), st.sampled_from(FAULTS), st.integers(1, 12))
kill = st.tuples(st.just("kill"), st.integers(1, 3), st.sampled_from([5, 60]))
skew = st.tuples(st.just("skew"), st.integers(-590, 590))
cursor = st.tuples(st.just("cursor"), st.sampled_from(list(Cursor)))
steps = st.lists(st.one_of(say, say, crowd, remove, wait, sync, sync, fault, kill, skew, cursor), max_size=25)


class Killed(BaseException):
    """Stands for kill -9."""


class World:
    """Pancake, and one installation after the other that syncs it."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.clock = ManualClock(START)
        self.fake = FakePancake(self.clock)
        self.fake.add_page()
        self.store = copied_store(template, folder / "store.db")
        self.told: list[dict[str, Any]] = []

    def walk(self, taken: list[tuple[Any, ...]]) -> None:
        for name, *arguments in taken:
            getattr(self, name)(*arguments)
            self.check_watermark()

    def check_watermark(self) -> None:
        """All that Pancake had told by that moment is here, and the moment is past."""
        with closing(self.bench()) as bench, self.store.read() as connection:
            stored, state = bench.messages(), PageSyncRepository().find(connection, PAGE)
        if state is not None and state.fresh_at is not None:
            assert state.fresh_at <= self.clock.now()
            assert {each["id"] for each in self.told if each["told"] < state.fresh_at} <= stored.keys()

    def bench(self) -> Bench:
        """A process that has just begun."""
        return Bench(self.fake, self.store, self.clock, SyncOptions(first=timedelta(hours=6)))

    def say(self, conversation: int, by_staff: bool) -> None:
        name = f"m{len(self.told)}"
        self.fake.say(PAGE, str(conversation), name, staff() if by_staff else None)
        self.told.append({"id": name, "told": self.clock.now()})

    def crowd(self, count: int) -> None:
        for number in range(count):
            self.say(100 + number, by_staff=False)
            self.clock.advance(timedelta(seconds=0.2))  # within one second nobody could tell them apart

    def remove(self, number: int) -> None:
        if self.told:
            name = self.told[number % len(self.told)]["id"]
            for conversation_id, thread in self.fake.pages[PAGE].messages.items():
                if name in thread:
                    thread[name]["is_removed"] = True
                    self.fake.touch(PAGE, conversation_id)

    def wait(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def sync(self, seconds: float) -> None:
        with closing(self.bench()) as bench, suppress(PancakeError):
            bench.advance(seconds=seconds)

    def kill(self, commit: int, seconds: float) -> None:
        """A sync that dies in the middle of a transaction."""
        with closing(self.bench()) as bench:
            put, begun = bench.syncer._syncs.advance, 0

            def dying(*args: Any, **options: Any) -> None:
                nonlocal begun
                begun += 1
                put(*args, **options)
                if begun == commit:
                    raise Killed

            bench.syncer._syncs.advance = dying  # type: ignore[method-assign]
            with suppress(PancakeError, Killed):
                bench.advance(seconds=seconds)

    def fault(self, misdeed: Misdeed, times: int) -> None:
        self.fake.misbehave(misdeed, times)

    def skew(self, seconds: int) -> None:
        self.fake.skew = timedelta(seconds=seconds)

    def cursor(self, kind: Cursor) -> None:
        self.fake.cursor = kind

    def settle(self) -> Bench:
        """Nothing more happens, and everything works."""
        self.fake.behave()
        bench = self.bench()
        for _ in range(3):
            bench.sync()
            self.clock.advance(timedelta(minutes=1))
        return bench


@pytest.mark.timeout(600)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(taken=steps)
def test_in_the_end_the_store_is_equal_to_the_truth(sqlite_template: Path, taken: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder), sqlite_template)
        with world.fake.running(), closing(world.store):
            world.walk(taken)
            with closing(world.settle()) as bench:
                stored = bench.messages()
                assert stored.keys() == truth(world.fake)
                threads = world.fake.pages[PAGE].messages
                assert {name for name, each in stored.items() if each.is_removed} == {
                    name for thread in threads.values() for name, each in thread.items() if each.get("is_removed")
                }
                # Where Pancake's clock was set back, a copy that it calls newer stays; messages have no such order
                conversations = world.fake.pages[PAGE].conversations
                copies = {name: each.conversation.source_updated_at for name, each in bench.stored().items()}
                assert copies.keys() == conversations.keys()
                assert all(at is not None and at >= conversations[name]["_updated"] for name, at in copies.items())
