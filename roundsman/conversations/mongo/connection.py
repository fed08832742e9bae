"""The way to MongoDB: its address without secrets, how documents are decoded, and its refusals in one sentence each.

What is read is known to the majority of the replica set: what a failover might take back is not worth an alert.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern

from roundsman.errors import SourceError

Document = dict[str, Any]

SELECTION_TIMEOUT_MS = 5_000
ANSWER_TIMEOUT_MS = 20_000
"""Of one operation with all its retries; the server is told it as well, so that nothing goes on for nobody."""

_OPTIONS: CodecOptions[Document] = CodecOptions(
    # As they are: Python's datetime ends in the year 9999, and a broken text must not hide a whole batch
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="replace",
)
_REFUSED = "refuses the user or the password in MONGO_URL"
_SLOW = "has not answered in time; see how it does"
_CODES = {
    13: "does not allow the user of MONGO_URL to read this; give it the role `read` on the database",
    18: _REFUSED,
    8000: _REFUSED,  # MongoDB Atlas has its own number
    50: _SLOW,  # MaxTimeMSExpired
}


class MongoConnection:
    """Connections to one database, opened when needed. Safe to use from many threads."""

    def __init__(self, url: str, database: str, contact_within: timedelta | None = None) -> None:
        """`contact_within`: for somebody who waits; after so long a server that has not answered is said to be away.
        Without it, it is asked again until ANSWER_TIMEOUT_MS: one that changes its primary is back by then."""
        self._url = url
        self._contact_within = contact_within
        self.database = database
        hosts = urlsplit(url).netloc.rpartition("@")[2]
        self.name = f"mongo {hosts}/{database}"

    def collection(self, name: str) -> Collection[Document]:
        """Use it within `sentences`. The primary's: one secondary may not have yet what another one told."""
        concern = None if "readconcernlevel" in self._given else ReadConcern("majority")
        return self._contacted[self.database].get_collection(
            name, codec_options=_OPTIONS, read_preference=ReadPreference.PRIMARY, read_concern=concern
        )

    def collection_names(self) -> list[str]:
        """Those that the user may read. Raises SourceError."""
        with self.sentences():
            return self._contacted[self.database].list_collection_names(nameOnly=True, authorizedCollections=True)

    def refused(self, what: str) -> SourceError:
        """A sentence about what is found there."""
        return SourceError(f"{self.name} {what}.")

    @contextmanager
    def sentences(self) -> Iterator[None]:
        """Whatever the driver raises within becomes a SourceError."""
        try:
            yield
        except (PyMongoError, BSONError) as error:
            raise self.refused(self._words(error)) from error

    def close(self) -> None:
        """Let the connections go, if there are any."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _given(self) -> frozenset[str]:
        """The options in the URL, which go before our own."""
        return frozenset(name.lower() for name, _ in parse_qsl(urlsplit(self._url).query))

    @cached_property
    def _contacted(self) -> "pymongo.MongoClient[Document]":
        """The client, once somebody has answered it, if that matters."""
        if self._contact_within is not None:
            with pymongo.timeout(self._contact_within.total_seconds()):
                self._client.admin.command("ping")
        return self._client

    @cached_property
    def _client(self) -> "pymongo.MongoClient[Document]":
        ours = {
            "serverSelectionTimeoutMS": SELECTION_TIMEOUT_MS,
            "timeoutMS": ANSWER_TIMEOUT_MS,
            "appName": "roundsman",
            "maxPoolSize": 4,  # a round of the monitor, a sync and somebody's command
        }
        chosen: dict[str, Any] = {name: value for name, value in ours.items() if name.lower() not in self._given}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # that is how the driver speaks of unknown options
                return pymongo.MongoClient(self._url, document_class=dict, **chosen)
        except (ValueError, TypeError, UserWarning, OSError):  # OSError: a file of certificates
            raise ConfigurationError from None  # the text may hold a part of the URL

    def _words(self, error: Exception) -> str:
        """What went wrong and what to do, as the end of a sentence. Of the driver's own words only those that are ours
        to print: they may repeat a document."""
        if isinstance(error, ServerSelectionTimeoutError):
            return self._unreachable()
        if isinstance(error, NotPrimaryError) or _code(error) in (91, 189, 10107, 11600, 11602, 13435, 13436):
            return "is changing its primary; it is asked again in the next round"
        if isinstance(error, PyMongoError) and (error.timeout or isinstance(error, NetworkTimeout)):
            return _SLOW
        if isinstance(error, AutoReconnect):
            return "has closed the connection; see whether it runs"
        if isinstance(error, OperationFailure):
            name = (error.details or {}).get("codeName") or error.code
            return _CODES.get(error.code or 0, f"refused: {name}")
        if isinstance(error, ConfigurationError):
            return (
                "cannot be used: MONGO_URL names no host that is known, an option that does not exist, or a file that "
                "cannot be read"
            )
        if isinstance(error, BSONError):
            return "has sent a document that is damaged; look at its log and its disk"
        return f"failed: {type(error).__name__}"

    def _unreachable(self) -> str:
        servers = self._client.topology_description.server_descriptions().values()
        if any(server.server_type_name != "Unknown" for server in servers):
            return "has no primary at this moment; see how its replica set does"
        return "cannot be reached; see whether it runs, and whether MONGO_URL is right"


def _code(error: Exception) -> int | None:
    return error.code if isinstance(error, OperationFailure) else None
