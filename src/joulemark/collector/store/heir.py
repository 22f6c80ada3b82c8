"""The store of the first ingest process, which also looks after the files of processes that are no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from joulemark.collector.store.chunks import LOCAL, Chunks
from joulemark.collector.store.keeping import Keeping
from joulemark.collector.store.sealing import Sealer
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.collector.store.united import newest_acks
from joulemark.collector.store.writer import Writer
from joulemark.proto.messages import Ack


class HeirStore(SqliteStore):
    """A store beside `older` ones: they take nothing more, are sealed to the end, and what they have acknowledged stays acknowledged."""

    def __init__(
        self,
        path: Path,
        older: Sequence[SqliteStore],
        *,
        seal_after_ns: int,
        chunks: Chunks = LOCAL,
        sealer: Callable[[Path, Writer], Sealer] | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        """`older` are open, and are closed by whoever opened them; the rest is as for SqliteStore. Raises as SqliteStore."""
        super().__init__(path, seal_after_ns=seal_after_ns, chunks=chunks, sealer=sealer, keeping=keeping)
        self._older = tuple(older)

    def acks(self, agent_id: str) -> list[Ack]:
        return newest_acks([*super().acks(agent_id), *(ack for one in self._older for ack in one.acks(agent_id))])

    def stored_bytes(self, agent_id: str) -> int:
        return super().stored_bytes(agent_id) + sum(one.stored_bytes(agent_id) for one in self._older)

    def seal(self, now_ns: int, *, everything: bool = False) -> int:
        return super().seal(now_ns, everything=everything) + sum(one.seal(now_ns, everything=True) for one in self._older)
