"""Make a believable FolkForm export, with times relative to now, so that its late customers are late today.

    python samples/generate.py --out FILE           write an export (standard output without --out)
    python samples/generate.py --into-empty-store   load one into the store of the settings, if that is empty

The same seed and time give the same bytes: `folkform-export.json` beside this file is what `--at` FIXED gives.
"""

import argparse
import io
import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import scenes
from shops import SHOPS, Document, Shop
from story import Story

SEED = 20260303
FIXED = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
CONVERSATIONS = 120


@dataclass(frozen=True)
class Sample:
    """An export, and which of its conversations are late under the default policy."""

    pages: list[Document]
    conversations: list[Document]
    messages: list[Document]
    late: frozenset[str]

    def text(self) -> str:
        """The export as JSON, one document a line."""
        collections = {
            "fb_pages": self.pages,
            "fb_conversations": self.conversations,
            "fb_message_items": self.messages,
        }
        parts = []
        for name, documents in collections.items():
            lines = ",\n".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in documents)
            parts.append(f'"{name}":[\n{lines}\n]')
        return "{" + ",\n".join(parts) + "}\n"


def make_sample(at: datetime, seed: int = SEED) -> Sample:
    """The sample as of a moment (aware)."""
    rng = random.Random(seed)
    at = at.astimezone(UTC).replace(microsecond=0)
    stories: list[Story] = []

    def begin(shop: Shop, kind: str = "INBOX") -> Story:
        stories.append(Story(rng, at, len(stories) + 1, shop, kind))
        return stories[-1]

    late = scenes.late(begin)
    scenes.excluded(begin)
    scenes.fine(begin)
    scenes.special(begin)
    for number in range(len(stories), CONVERSATIONS):
        scenes.answered(begin(scenes.ordinary_shop(number)), rng)

    undescribed = late[3]
    conversations = [each.document() for each in stories if each is not undescribed]
    messages = [message for story in stories for message in story.messages]
    messages.append(scenes.broken_message(late[0]))
    rng.shuffle(messages)  # the order of documents means nothing in a real export either
    return Sample(
        [shop.document(number) for number, shop in enumerate(SHOPS, 1)],
        [*conversations, scenes.broken_conversation()],
        messages,
        frozenset(each.conversation_id for each in late),
    )


def load_into_empty_store(at: datetime | None, seed: int) -> None:
    """Import a sample as `roundsman conversations import` would, unless there are conversations already."""
    from jobs import JOBS
    from roundsman.cli.session import Session
    from roundsman.repositories.conversations import ConversationRepository

    session = Session(JOBS)
    try:
        with session.store.read() as connection:
            if not ConversationRepository().is_empty(connection):
                print(f"The store {session.store.place} holds conversations already; no sample data was added.")
                return
        sample = make_sample(at or session.clock.now(), seed)
        summary = session.app.conversations.importer.import_stream(io.StringIO(sample.text()), "the sample")
        print(
            f"Loaded a sample of {len(sample.conversations)} conversations on {len(sample.pages)} pages into "
            f"{session.store.place}: {len(sample.late)} are late, {len(summary.set_aside)} documents were set aside."
        )
    finally:
        session.close()


def main() -> int:
    """Read the arguments; returns the exit code."""
    parser = argparse.ArgumentParser(description="Make a believable FolkForm export.")
    parser.add_argument("--at", type=_moment, metavar="TIME", help="the sample's now, ISO 8601 (default: now)")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed, another export")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it (default: standard output)")
    parser.add_argument("--into-empty-store", action="store_true", help="load it if no conversation is stored yet")
    arguments = parser.parse_args()
    if arguments.into_empty_store:
        return _reported(lambda: load_into_empty_store(arguments.at, arguments.seed))
    text = make_sample(arguments.at or datetime.now(UTC), arguments.seed).text()
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def _reported(work: Callable[[], None]) -> int:
    """Run it; a fault that people can mend becomes one line and the exit code it means, as in every command."""
    from roundsman.errors import RoundsmanError

    try:
        work()
    except RoundsmanError as error:
        print(f"roundsman: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


if __name__ == "__main__":
    sys.exit(main())
