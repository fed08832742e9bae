"""How PostgreSQL finds the next message when thousands wait."""

import pytest
from alert_outbox import Outbox
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from roundsman.clock import ManualClock
from roundsman.repositories.audience import Audience
from roundsman.repositories.claim import next_due
from roundsman.repositories.engine import Store


@pytest.mark.postgres
def test_the_next_message_is_found_without_sorting_all_that_wait(postgres_store: Store, clock: ManualClock) -> None:
    outbox = Outbox(postgres_store, clock)
    for shop in range(20):
        outbox.fire(*(f"{shop}-{each}" for each in range(100)), audience=Audience(digest_from=1_000))
    with postgres_store.write() as connection:
        connection.execute(text("ANALYZE"))
    query = next_due("slack", clock.now()).compile(
        dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]  # SQLAlchemy's
        compile_kwargs={"literal_binds": True},
    )
    with postgres_store.read() as connection:
        plan = "\n".join(connection.execute(text(f"EXPLAIN {query}")).scalars())
    assert "ix_notifications_open" in plan
    assert "Sort" not in plan, plan
