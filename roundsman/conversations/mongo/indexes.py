"""The indexes by which everything is found. Without them each look would read whole collections, so we do not look.

FolkForm itself indexes `conversationId`. What has changed lately nobody but us asks, so that takes an index of our own
in each of the two collections. A person's command (`roundsman mongo create-indexes`) makes it, never the daemon.
"""

from dataclasses import dataclass

import pymongo

from roundsman.conversations.mongo.connection import MongoConnection
from roundsman.conversations.mongo.names import CollectionNames

CHANGES = (("updatedAt", 1), ("_id", 1), ("conversationId", 1))
"""It holds all that the question for changes needs, so no document is touched to answer it."""
OUR_NAME = "roundsman_changes"


@dataclass(frozen=True)
class Indexes:
    """The indexes of one collection, by name; None where there is none."""

    collection: str
    by_conversation: str | None
    by_change: str | None


def read_indexes(connection: MongoConnection, collection: str) -> Indexes:
    """What there is. Raises SourceError."""
    with connection.sentences():
        information = connection.collection(collection).index_information()
    # A partial or sparse one does not know every document
    whole = {
        name: facts["key"]
        for name, facts in information.items()
        if not facts.get("sparse") and "partialFilterExpression" not in facts and "collation" not in facts
    }
    by_conversation = (name for name, key in whole.items() if key[0] in (("conversationId", 1), ("conversationId", -1)))
    by_change = (name for name, key in whole.items() if tuple(map(tuple, key)) == CHANGES)
    return Indexes(collection, next(by_conversation, None), next(by_change, None))


def find_indexes(connection: MongoConnection, names: CollectionNames) -> tuple[Indexes, Indexes]:
    """Those of conversations and of messages. Raises SourceError when one is missing."""
    found = (read_indexes(connection, names.conversations), read_indexes(connection, names.messages))
    for each in found:
        if each.by_conversation is None:
            raise connection.refused(
                f"has no index on {each.collection}.conversationId, which FolkForm makes; "
                "see whether this is the right collection, or make the index"
            )
        if each.by_change is None:
            raise connection.refused(
                f"has no index by which changes of {each.collection} are found; "
                "let somebody who may write there run: roundsman mongo create-indexes"
            )
    return found


def create_indexes(connection: MongoConnection, names: CollectionNames) -> list[str]:
    """Make our indexes where they are missing; returns the collections that got one. Raises SourceError."""
    made = []
    for collection in (names.conversations, names.messages):
        if read_indexes(connection, collection).by_change is None:
            # As long as it takes: given up on, it would be begun anew the next time
            with connection.sentences(), pymongo.timeout(None):
                connection.collection(collection).create_index(list(CHANGES), name=OUR_NAME)
            made.append(collection)
    return made
