"""Dead letters put back, and the failed runs that they belong to: these go on where they stand.

The run goes first. If we die before its letter is back, the reconciler sends a new message.
"""

from collections.abc import Collection

from roundsman.errors import BadInputError
from roundsman.queues.base import Queue
from roundsman.repositories.engine import Store
from roundsman.repositories.run_decisions import RunDecisions
from roundsman.repositories.runs import RunRepository
from roundsman.repositories.versions import chunks


def revive(store: Store, queue: Queue, run_ids: Collection[int] | None = None, kind: str | None = None) -> list[int]:
    """Put back those of these runs, of a workflow, or all. Returns the runs that go on.

    Raises BadInputError, StoreError, QueueError.
    """
    letters = queue.dead(kind, limit=100_000)
    by_run = {number: letter.id for letter in letters if type(number := letter.body.get("run")) is int}  # no bool
    if run_ids is not None and (missing := set(run_ids) - by_run.keys()):
        names = ", ".join(map(str, sorted(missing)))
        raise BadInputError(f"There is no dead letter of run {names}; `queue dead` lists them.")
    revived: list[int] = []
    for chunk in chunks([number for number in by_run if run_ids is None or number in run_ids]):
        with store.write() as connection:
            going = RunDecisions().revive(connection, chunk)
        if going:
            letters_of = {number: by_run[number] for number in going}
            queue.replay(list(letters_of.values()))
            with store.write() as connection:
                RunRepository().sent(connection, letters_of)
        revived += going
    return revived
