"""One shard: a database of ClickHouse, reached when it is needed, and named in everything that goes wrong with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from joulemark.collector.store.clickhouse import schema
from joulemark.errors import RemoteUnreachable

CONNECT_S: Final = 5
ANSWER_S: Final = 120
INSERTING: Final = {"async_insert": 0, "insert_deduplicate": 1}
"""The answer to an insert means that it is on the disk: nothing is gathered in the memory of the server."""


class Shard:
    """Safe for many threads. `name`: host, port and database, under which readings.db remembers it. `open`: a client of it."""

    def __init__(self, name: str, opened: Callable[[], Client]) -> None:
        self.name, self._opened = name, opened
        self._client: Client | None = None
        self._lock = threading.Lock()

    @classmethod
    def at(cls, name: str, **where: Any) -> Shard:
        """The one that `clickhouse_connect.get_client` reaches with `where`."""

        def opened() -> Client:
            return clickhouse_connect.get_client(**where)

        return cls(name, opened)

    @classmethod
    def over_http(cls, name: str, **where: Any) -> Shard:
        """The same of a server: with limits of time, without a session, which would let one thread in at a time, and plain: chunks are
        compressed already.
        """
        limits = {"connect_timeout": CONNECT_S, "send_receive_timeout": ANSWER_S}
        return cls.at(name, **limits, autogenerate_session_id=False, compress=False, **where)

    def connect(self) -> None:
        """Reach the shard and bring its tables to this version. Raises RemoteUnreachable, or EnvironmentFailed for newer tables."""
        with self._reached():
            pass

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None, **formats: Any) -> Sequence[Sequence[Any]]:
        """What a query answers; `formats`: of columns. Raises RemoteUnreachable."""
        with self._reached() as client:
            return client.query(query, parameters=dict(parameters or {}), column_formats=formats).result_rows

    def insert(self, table: str, rows: Sequence[Sequence[Any]], *, token: str) -> None:
        """Insert rows with all columns of `table` in the order of the schema: once, however often this is called with one `token`.

        They are durable when it returns. Raises RemoteUnreachable where that is not known.
        """
        columns = schema.TABLES[table]
        with self._reached() as client:
            client.insert(
                table,
                rows,
                column_names=list(columns),
                column_type_names=list(columns.values()),
                settings={**INSERTING, "insert_deduplication_token": token},
            )

    def command(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement to its end. Raises RemoteUnreachable."""
        with self._reached() as client:
            client.command(statement, parameters=dict(parameters or {}))

    def close(self) -> None:
        """Let go of the connection; it is made anew when it is needed."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @contextmanager
    def _reached(self) -> Iterator[Client]:
        """The client, whose tables are of this version. One that failed is not used again: the server may come back as another one."""
        try:
            with self._lock:
                if self._client is None:
                    client = self._opened()
                    schema.prepare(client, self.name)
                    self._client = client
            yield self._client
        except (ClickHouseError, OSError) as error:
            self.close()
            raise RemoteUnreachable(
                f"the ClickHouse shard {self.name} failed: {first_line(error)}",
                "start it, or mend what it says; meanwhile its hosts' readings wait in readings.db",
            ) from error


def first_line(error: Exception) -> str:
    """What an error says, without the rest of its page."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
