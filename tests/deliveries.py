"""Documents of a source in all their versions, and the ways in which they may reach the store."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from chats import NOW, Document, ago, bot, conversation, customer, export, message, milliseconds, staff

from roundsman.conversations.export import Export, read_export
from roundsman.conversations.intake import Batch

NAMES = ("1", "2", "3")
TAGS: Sequence[Sequence[str]] = ((), ("VIP",), ("Spam",))


@dataclass(frozen=True)
class Copy:
    """One version of one document."""

    key: str
    is_message: bool
    document: Document


def history(rng: Random) -> list[Copy]:
    """Every version of a few conversations and their messages, each document's in its order."""
    copies = []
    for name in NAMES:
        for version in range(rng.randint(1, 3)):
            document = conversation(name, tags=[*rng.choice(TAGS)], updatedAt=_at(version))
            copies.append(Copy(f"c{name}", is_message=False, document=document))
        for number in range(rng.randint(0, 5)):
            author = rng.choice([customer(name), customer(name), staff(), bot()])
            # Equal times, too, and some that lie in the future
            sent_at = ago(rng.choice([90, 60, 20, 10, 10, 5, 0, -20]))
            last = rng.randint(0, 2)
            for version in range(last + 1):
                removed = version == last > 0 and rng.random() < 0.5
                document = message(
                    f"m{name}{number}", sent_at, author, name=name, updated_at=_at(version), is_removed=removed
                )
                copies.append(Copy(f"m{name}{number}", is_message=True, document=document))
    return copies


def newest(copies: Sequence[Copy]) -> list[Copy]:
    """The last version of each document."""
    return list({copy.key: copy for copy in copies}.values())


def delivered(rng: Random, copies: Sequence[Copy]) -> list[list[Copy]]:
    """All of them in any order and in batches, some more than once; within a batch each document at most once."""
    rest = [*copies, *rng.choices(copies, k=rng.randint(0, len(copies)))]
    rng.shuffle(rest)
    batches = []
    while rest:
        batch: dict[str, Copy] = {}
        for copy in rest[: rng.randint(1, 8)]:
            batch.setdefault(copy.key, copy)
        for copy in batch.values():
            rest.remove(copy)
        batches.append(list(batch.values()))
    return batches


def as_export(copies: Sequence[Copy]) -> Document:
    """As a file for the importer."""
    return export(
        conversations=[copy.document for copy in copies if not copy.is_message],
        messages=[copy.document for copy in copies if copy.is_message],
    )


def as_batch(copies: Sequence[Copy]) -> Batch:
    """As a live source hands them over."""
    read = _read(copies)
    return Batch(conversations=list(read.conversations.values()), messages=list(read.messages.values()))


def _read(copies: Sequence[Copy]) -> Export:
    documents: Mapping[str, object] = as_export(copies)
    return read_export(io.StringIO(json.dumps(documents)), "test")


def _at(version: int) -> int:
    return milliseconds(NOW - timedelta(hours=1) + timedelta(minutes=version))
