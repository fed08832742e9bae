"""The outbox as people see it, over both databases."""

from datetime import timedelta

from outbox_samples import BUSY, REFUSED, Receiver, drain, failing, put
from sqlalchemy import text

from roundsman.clock import ManualClock
from roundsman.owner import Owner
from roundsman.repositories.engine import Store
from roundsman.repositories.run_event_views import Chosen, EventState, RunEventViews, StoredEvent
from roundsman.runs.outbox import Outbox

SINK = "receiver"


def listed(store: Store, state: EventState | None = None, chosen: Chosen | None = None) -> list[StoredEvent]:
    with store.read() as connection:
        return RunEventViews().listed(connection, chosen or Chosen(), state)


def test_each_state_is_told_apart(store: Store, clock: ManualClock) -> None:
    put(store, clock, (1, "run.failed"), (2, "run.failed"), (3, "run.failed"))
    outbox = Outbox(store, clock, Owner.this_process(), [Receiver(fails=failing(REFUSED, BUSY))])
    drain(outbox)
    with store.write() as connection:
        connection.execute(text("UPDATE run_events SET owner = 'somebody' WHERE run_id = 3"))
    assert [(event.run_id, event.state) for event in listed(store)] == [
        (3, EventState.DELIVERING), (2, EventState.WAITING), (1, EventState.GIVEN_UP),
    ]  # fmt: skip
    for state in EventState:
        assert [event.state for event in listed(store, state)] == [state]
    (given_up,) = listed(store, EventState.GIVEN_UP)
    assert (given_up.error, given_up.set_aside_at, given_up.attempts) == ("it answered HTTP 422", clock.now(), 1)
    assert given_up.payload == {"run": 1, "workflow": "noop"}


def test_only_what_was_given_up_is_sent_again_and_has_all_attempts_before_it(store: Store, clock: ManualClock) -> None:
    put(store, clock, (1, "run.waiting"), (2, "run.failed"))
    drain(Outbox(store, clock, Owner.this_process(), [Receiver(fails=failing(REFUSED, REFUSED))]))
    put(store, clock, (1, "run.completed"))
    clock.advance(timedelta(days=2))
    with store.write() as connection:
        (again,) = RunEventViews().send_again(connection, Chosen(SINK, 1), clock.now())
        assert RunEventViews().send_again(connection, Chosen(SINK, 1), clock.now()) == []
    assert (again.event, again.attempts, again.error, again.not_before) == ("run.waiting", 0, None, clock.now())
    assert [event.run_id for event in listed(store, EventState.GIVEN_UP)] == [2]
    receiver = Receiver()
    drain(Outbox(store, clock, Owner.this_process(), [receiver]))
    assert receiver.told == [(1, "run.waiting"), (1, "run.completed")]


def test_none_of_no_ids_is_nobody(store: Store, clock: ManualClock) -> None:
    put(store, clock, (1, "run.failed"))
    assert listed(store, chosen=Chosen(ids=[])) == []
    assert [event.run_id for event in listed(store, chosen=Chosen(ids=[1, 2**62]))] == [1]
