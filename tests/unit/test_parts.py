"""Jobs are built with the parts that their constructors name."""

from typing import Any, ClassVar, Protocol

import pytest

from roundsman.app.parts import Parts
from roundsman.clock import Clock, ManualClock
from roundsman.errors import EXIT_CONFIGURATION, ConfigurationError
from roundsman.scheduling.job import Job, JobContext, Outcome


class Shelf:
    pass


class TallShelf(Shelf):
    pass


class Lamp:
    pass


class Knocking(Protocol):
    def knock(self) -> None: ...


class Plain(Job):
    name: ClassVar[str] = "plain"
    schedule: ClassVar[str] = "every 1m"

    def run(self, ctx: JobContext) -> Outcome:
        return Outcome.done()


def job_with(constructor: Any) -> type[Job]:
    return type("Sample", (Plain,), {"__init__": constructor, "__module__": "jobs.sample"})


def test_a_job_without_wishes_is_just_made() -> None:
    assert isinstance(Parts({}).build(Plain), Plain)


def test_parts_are_found_by_type_whatever_the_arguments_are_called() -> None:
    def constructor(self: Any, light: Lamp, shelf: Shelf) -> None:
        self.got = (light, shelf)

    lamp, shelf = Lamp(), Shelf()
    built: Any = Parts({Shelf: lambda: shelf, Lamp: lambda: lamp}).build(job_with(constructor))
    assert built.got == (lamp, shelf)


def test_a_wish_for_a_base_class_takes_what_derives_from_it() -> None:
    def constructor(self: Any, shelf: Shelf) -> None:
        self.shelf = shelf

    tall = TallShelf()
    built: Any = Parts({TallShelf: lambda: tall}).build(job_with(constructor))
    assert built.shelf is tall


def test_annotations_may_be_texts() -> None:
    def constructor(self: Any, lamp: "Lamp") -> None:
        self.lamp = lamp

    lamp = Lamp()
    built: Any = Parts({Lamp: lambda: lamp}).build(job_with(constructor))
    assert built.lamp is lamp


def test_an_argument_with_a_default_keeps_it_when_no_part_fits() -> None:
    def constructor(self: Any, lamp: Lamp | None = None, times: int = 3) -> None:
        self.got = (lamp, times)

    built: Any = Parts({Shelf: Shelf}).build(job_with(constructor))
    assert built.got == (None, 3)


def test_every_missing_part_is_one_sentence_with_what_is_on_offer(clock: ManualClock) -> None:
    def constructor(self: Any, lamp: Lamp, shelf: Shelf, untyped) -> None:  # type: ignore[no-untyped-def]  # the fault
        raise AssertionError("never called")

    with pytest.raises(ConfigurationError) as caught:
        Parts({Shelf: Shelf, Clock: lambda: clock}).build(job_with(constructor))
    assert caught.value.exit_code == EXIT_CONFIGURATION
    assert caught.value.faults == (
        "jobs.sample.Sample: its argument 'lamp' asks for 'Lamp'; on offer are Clock, Shelf.",
        "jobs.sample.Sample: its argument 'untyped' asks for None; on offer are Clock, Shelf.",
    )


def test_a_protocol_is_found_where_it_is_offered_by_name(clock: ManualClock) -> None:
    def constructor(self: Any, clock: Clock) -> None:
        self.clock = clock

    built: Any = Parts({Clock: lambda: clock}).build(job_with(constructor))
    assert built.clock is clock


def test_another_protocol_is_matched_by_nobody(clock: ManualClock) -> None:
    def constructor(self: Any, door: Knocking) -> None:
        raise AssertionError("never called")

    with pytest.raises(ConfigurationError, match="'Knocking'"):
        Parts({Clock: lambda: clock}).build(job_with(constructor))
