"""Several files of readings as one `ReadingStore`: each ingest process writes its own, and every question is asked of all of them.

An agent sends to one process, so nearly every device lies in one file, which answers as if it were alone. What has moved is read from
several and put together (`moved`). The first file also holds the collector's own axis and clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from joulemark.collector.store import moved, schema
from joulemark.collector.store.base import (
    ENCLOSING_NS,
    Anchored,
    ClockStep,
    Deletions,
    Described,
    HostState,
    Integral,
    ShardState,
    Stream,
    Surveyed,
)
from joulemark.collector.store.chunks import marks
from joulemark.collector.store.pieces import SLACK_NS
from joulemark.collector.store.sqlite import SqliteReadings
from joulemark.energy.series import Series
from joulemark.proto.messages import Ack, Loss


class Dated(Protocol):
    """What an agent told at a time on the axis."""

    @property
    def agent_id(self) -> str: ...

    @property
    def t_ns(self) -> int: ...


T = TypeVar("T")
D = TypeVar("D", bound=Dated)


class UnitedReadings:
    """The read side of several files. Every answer is of one consistent view of each of them."""

    def __init__(self, files: Sequence[SqliteReadings]) -> None:
        self._files = tuple(files)

    def streams(self) -> list[Stream]:
        found: dict[tuple[str, int], Stream] = {}
        for one in self._all(lambda file: file.streams()):
            key = one.agent_id, one.epoch_ns
            found[key] = added(found[key], one) if key in found else one
        return sorted(found.values(), key=lambda stream: stream.epoch_ns)

    def streams_opened(self) -> dict[str, int]:
        counts: dict[str, int] = defaultdict(int)
        for agent_id, count in self._all(lambda file: file.streams_opened().items()):
            counts[agent_id] += count
        return dict(sorted(counts.items()))

    def acks(self, agent_id: str) -> list[Ack]:
        return newest_acks(self._all(lambda file: file.acks(agent_id)))

    def devices(self, agents: Iterable[str] | None = None) -> list[Described]:
        wanted = None if agents is None else set(agents)
        found: dict[tuple[str, str], Described] = {}
        for one in self._all(lambda file: file.devices(wanted)):
            key = one.agent_id, one.device.device_id
            if key not in found or found[key].since < one.since:
                found[key] = one
        return [one for _, one in sorted(found.items())]

    def series(self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int) -> list[Series]:
        return self._asked(meter_ids, t0_ns, t1_ns, lambda file, own: file.series(own, t0_ns, t1_ns))

    def recent(self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int, *, now_ns: int) -> list[Series]:
        return self._asked(meter_ids, t0_ns, t1_ns, lambda file, own: file.recent(own, t0_ns, t1_ns, now_ns=now_ns))

    def integrals(self, meter_ids: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[list[Integral | None]]:
        begin_ns = min(begin for begin, _ in spans) - ENCLOSING_NS
        found: dict[str, list[Integral | None]] = {}
        for holders, own in self._holders(meter_ids, begin_ns).items():
            one = holders[0].integrals(own, spans) if len(holders) == 1 else moved.integrals(holders, own, spans)
            found.update(zip(own, one, strict=True))
        return [found[meter_id] for meter_id in meter_ids]

    def losses(self, t0_ns: int, t1_ns: int) -> list[tuple[str, Loss]]:
        return self._all(lambda file: file.losses(t0_ns, t1_ns))

    def states(self, t0_ns: int, t1_ns: int) -> list[HostState]:
        return since_last(self._all(lambda file: file.states(t0_ns, t1_ns)), t0_ns)

    def last_states(self, count: int = 2) -> list[HostState]:
        by_agent: dict[str, list[HostState]] = defaultdict(list)
        for one in in_time(self._all(lambda file: file.last_states(count))):
            by_agent[one.agent_id].append(one)
        return in_time(one for told in by_agent.values() for one in told[-count:])

    def own_states(self, t0_ns: int, t1_ns: int) -> list[HostState]:
        return self._files[0].own_states(t0_ns, t1_ns)

    def surveys(self, t0_ns: int, t1_ns: int) -> list[Surveyed]:
        found = since_last(self._all(lambda file: file.surveys(t0_ns, t1_ns)), t0_ns)
        firsts: dict[str, int] = {}
        for one in reversed(found):
            if one.t_ns >= t1_ns:
                firsts[one.agent_id] = one.t_ns
        return [one for one in found if one.t_ns <= firsts.get(one.agent_id, t1_ns)]

    def clock_steps(self, t0_ns: int, t1_ns: int) -> list[ClockStep]:
        return in_time(self._all(lambda file: file.clock_steps(t0_ns, t1_ns)))

    def axes(self) -> list[Anchored]:
        return self._files[0].axes()

    def shards(self) -> list[ShardState]:
        """Of a shard into which several processes seal, whether one of them fails there."""
        found: dict[str, ShardState] = {}
        for one in self._all(lambda file: file.shards()):
            if one.name not in found or one.failing_since_ns is not None:
                found[one.name] = one
        return list(found.values())

    def deletions(self) -> Deletions:
        told = [file.deletions() for file in self._files]
        return Deletions(sum(one.chunk_count for one in told), sum(one.byte_count for one in told))

    def _all(self, ask: Callable[[SqliteReadings], Iterable[T]]) -> list[T]:
        """What every file answers, in the order of the files."""
        return [one for file in self._files for one in ask(file)]

    def _asked(
        self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int, ask: Callable[[SqliteReadings, list[str]], list[Series]]
    ) -> list[Series]:
        """The series of meters in the order asked: each file is asked for what lies in it alone, the rest is put together."""
        found: dict[str, list[Series]] = defaultdict(list)
        for holders, own in self._holders(meter_ids, t0_ns).items():
            told = ask(holders[0], own) if len(holders) == 1 else moved.series(holders, own, t0_ns, t1_ns)
            for one in told:
                found[one.meter.meter_id].append(one)
        return [one for meter_id in meter_ids for one in found[meter_id]]

    def _holders(self, meter_ids: Sequence[str], begin_ns: int) -> dict[tuple[SqliteReadings, ...], list[str]]:
        """Each meter once, under the files that may hold readings of it from `begin_ns` on, else under the one that was told last of it."""
        device_ids = {meter_id.rsplit(":", 1)[0] for meter_id in meter_ids}
        spoken: dict[str, dict[SqliteReadings, int]] = defaultdict(dict)
        for file in self._files:
            for device_id, last_ns in heard(file.path, device_ids):
                spoken[device_id][file] = last_ns
        asked: dict[tuple[SqliteReadings, ...], list[str]] = defaultdict(list)
        for meter_id in dict.fromkeys(meter_ids):
            spoke = spoken[meter_id.rsplit(":", 1)[0]] or {self._files[0]: 0}
            holding = [file for file, last_ns in spoke.items() if last_ns >= begin_ns - SLACK_NS]
            asked[tuple(holding) or (max(spoke, key=lambda file: spoke[file]),)].append(meter_id)
        return asked


def heard(path: Path, device_ids: Iterable[str]) -> list[tuple[str, int]]:
    """Those of the devices that are described in a file, each with the time of the newest reading that its agent sent there, or 0."""
    wanted = list(device_ids)
    query = f"""SELECT d.device_id, COALESCE(MAX(s.last_ns), 0) FROM device d LEFT JOIN stream s ON s.agent_id = d.agent_id
        WHERE d.device_id IN ({marks(wanted)}) GROUP BY d.device_id"""
    with closing(schema.reader(path)) as db:
        return db.execute(query, wanted).fetchall()


def added(one: Stream, other: Stream) -> Stream:
    """An epoch of which two files hold a part."""
    return replace(
        one,
        acked_seq=max(one.acked_seq, other.acked_seq),
        batch_count=one.batch_count + other.batch_count,
        sample_count=one.sample_count + other.sample_count,
        duplicate_count=one.duplicate_count + other.duplicate_count,
        first_rx_ns=min(one.first_rx_ns, other.first_rx_ns),
        last_rx_ns=max(one.last_rx_ns, other.last_rx_ns),
        last_ns=max(one.last_ns, other.last_ns),
    )


def newest_acks(acks: Iterable[Ack]) -> list[Ack]:
    """The highest of each epoch, by epoch."""
    highest: dict[int, int] = {}
    for ack in acks:
        highest[ack.epoch_ns] = max(ack.batch_seq, highest.get(ack.epoch_ns, ack.batch_seq))
    return [Ack(*one) for one in sorted(highest.items())]


def in_time(told: Iterable[D]) -> list[D]:
    """Oldest first."""
    return sorted(told, key=lambda one: one.t_ns)


def since_last(told: Iterable[D], t0_ns: int) -> list[D]:
    """Oldest first, of each agent from the last that it told until `t0_ns` on: every file brings one of its own."""
    ordered = in_time(told)
    last = {one.agent_id: one.t_ns for one in ordered if one.t_ns <= t0_ns}
    return [one for one in ordered if one.t_ns >= last.get(one.agent_id, t0_ns)]
