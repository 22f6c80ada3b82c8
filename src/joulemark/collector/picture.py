"""What goes on now: hosts, what their meters show, open phases. One look at the store, which every page, stream and metric shares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from joulemark.collector.catalog import OpenPhase
from joulemark.collector.measure import newest
from joulemark.collector.store.base import Described, HostState, ReadingStore, Stream
from joulemark.collector.store.pieces import cut
from joulemark.collector.store.recent import KEEP_NS
from joulemark.energy.now import LOOK_BACK_S, Level, fresh_ns, levels, view
from joulemark.energy.series import INTEGRABLE, Series
from joulemark.proto.messages import IngestStatus
from joulemark.readings import MeterInfo, Quality
from joulemark.units import NS_PER_S

LIVE_SCHEMA: Final = "joulemark.live/1"
BACK_NS: Final = round(LOOK_BACK_S * NS_PER_S)
AHEAD_NS: Final = 30 * NS_PER_S
"""How far a reading may be dated into the future: bounds of clocks."""
HEARD_NS: Final = 5 * NS_PER_S
"""An agent that says nothing for longer, and for three periods of its quickest meter, is silent."""


@dataclass(frozen=True, slots=True)
class MeterNow:
    """What one meter shows. `power_w`: None where `reason` says why; `t_ns`: of its newest usable reading; `gap_share`: of the last half
    minute; `quality`: of its newest reading, empty where there is none.
    """

    meter_id: str
    device_id: str
    boundary: str
    quantity: str
    power_w: float | None
    reason: str
    t_ns: int | None
    quality: str
    gap_share: float | None
    simulated: bool

    @property
    def standing(self) -> str:
        """`ok`, `degraded` where readings are missing or the newest one is no good, or `silent` where it shows nothing of now."""
        if self.power_w is None:
            return "silent"
        return "degraded" if self.gap_share or self.quality not in GOOD else "ok"


GOOD: Final = tuple(quality.name.lower() for quality in Quality if quality.integrable)


@dataclass(frozen=True, slots=True)
class Clock:
    """Add `offset_ns` to the host's UTC for the collector's, true within `bound_ns`; `known`: whether it was ever compared."""

    offset_ns: int
    bound_ns: int
    known: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What the agent costs its host: share of one processor over `over_s`, and memory."""

    cpu_share: float
    over_s: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Host:
    """`state`: `connected`, `silent` for `age_s` of its last word, or `unknown` while the ingest process does not answer."""

    agent_id: str
    state: str
    heard_ns: int
    age_s: float
    last_reading_ns: int | None
    clock: Clock | None
    overhead: Cost | None
    meters: tuple[MeterNow, ...]
    boundaries: tuple[Level, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary; null where unknown."""
        return {**asdict(self), "boundaries": [total(one) for one in self.boundaries]}


@dataclass(frozen=True, slots=True)
class Picture:
    """What was seen at `t_ns`. `receiving`: whether the ingest process answers. `series`: readings of the last minutes by meter."""

    t_ns: int
    receiving: bool
    connected: int | None
    hosts: tuple[Host, ...] = ()
    boundaries: tuple[Level, ...] = ()
    phases: tuple[OpenPhase, ...] = ()
    series: Mapping[str, Series] = field(default_factory=dict)

    def host(self, agent_id: str) -> Host | None:
        """The host of an agent, None for one that sent nothing."""
        return next((one for one in self.hosts if one.agent_id == agent_id), None)

    def to_json(self, agent_id: str | None = None) -> dict[str, Any]:
        """The object of schema `joulemark.live/1`, of all hosts or of one."""
        shown = [one for one in self.hosts if agent_id in (None, one.agent_id)]
        summed = self.boundaries if agent_id is None else tuple(level for one in shown for level in one.boundaries)
        return {
            "schema": LIVE_SCHEMA,
            "t_ns": self.t_ns,
            "ingest": {"answers": self.receiving, "agents_connected": self.connected},
            "hosts": [one.to_json() for one in shown],
            "boundaries": [total(one) for one in summed],
            "phases": [asdict(one) for one in self.phases],
        }


def total(level: Level) -> dict[str, Any]:
    """A boundary with its devices; the power of all is null where that of one is not known, and `missing` says which and why."""
    missing = {one.device: one.trouble for one in level.devices if one.power_w is None}
    return {**asdict(level), "missing": {**missing, **({"": level.finding} if level.finding else {})}}


def look(store: ReadingStore, now_ns: int, ingest: IngestStatus | None, phases: Sequence[OpenPhase] = ()) -> Picture:
    """What there is to see now. Blocks for some milliseconds a host. A meter without a reading in the last minutes counts nowhere."""
    streams, described = store.streams(), store.devices()
    meters = [meter for one in described for meter in one.device.meters if meter.quantity.measures_energy]
    found = store.recent([m.meter_id for m in meters], now_ns - KEEP_NS, now_ns + AHEAD_NS, now_ns=now_ns) if meters else []
    series = {one.meter.meter_id: one for one in sorted(found, key=lambda one: int(one.t_ns[-1]))}
    agents = {meter.meter_id: one.agent_id for one in described for meter in one.device.meters}
    told = states(store)
    return Picture(
        now_ns,
        ingest is not None,
        None if ingest is None else ingest.agent_count,
        tuple(
            host(
                stream,
                [s for s in streams if s.agent_id == stream.agent_id],
                [one for one in described if one.agent_id == stream.agent_id],
                series,
                told[stream.agent_id],
                now_ns,
                receiving=ingest is not None,
            )
            for stream in sorted(newest(streams), key=lambda s: s.agent_id)
        ),
        now_of(series.values(), agents, now_ns),
        tuple(phases),
        series,
    )


def host(
    latest: Stream,
    epochs: Sequence[Stream],
    described: Sequence[Described],
    series: Mapping[str, Series],
    told: Sequence[HostState],
    now_ns: int,
    *,
    receiving: bool,
) -> Host:
    """One agent and what its meters show."""
    meters = [meter for one in described for meter in one.device.meters if meter.quantity.measures_energy]
    own = [series[meter.meter_id] for meter in meters if meter.meter_id in series]
    heard_ns = max(one.last_rx_ns for one in epochs)
    quiet_ns = max(HEARD_NS, min((fresh_ns(meter) for meter in meters), default=0))
    state = "unknown" if not receiving else "connected" if now_ns - heard_ns <= quiet_ns else "silent"
    return Host(
        latest.agent_id,
        state,
        heard_ns,
        (now_ns - heard_ns) / NS_PER_S,
        max(one.last_ns for one in epochs) or None,
        Clock(told[-1].offset_ns, told[-1].bound_ns, told[-1].clock.offset_known or told[-1].same_clock) if told else None,
        cost(told),
        tuple(meter_now(meter, series.get(meter.meter_id), now_ns) for meter in meters),
        now_of(own, {meter.meter_id: latest.agent_id for meter in meters}, now_ns),
    )


def now_of(series: Iterable[Series], agents: Mapping[str, str], now_ns: int) -> tuple[Level, ...]:
    """What each boundary takes, by the readings of the last half minute."""
    return levels([cut(one, now_ns - BACK_NS, now_ns + AHEAD_NS) for one in series], agents, now_ns)


def meter_now(meter: MeterInfo, series: Series | None, now_ns: int) -> MeterNow:
    """What one meter shows, as far as it was heard of in the last minutes."""
    place = (meter.meter_id, meter.device_id, str(meter.boundary), str(meter.quantity))
    if series is None:
        return MeterNow(*place, None, f"no reading in the last {KEEP_NS // NS_PER_S} s", None, "", None, meter.simulated)
    lately = cut(series, now_ns - BACK_NS, now_ns + AHEAD_NS)
    seen, good = view(lately, now_ns), series.t_ns[INTEGRABLE[series.quality]]
    quality, reason = Quality(int(series.quality[-1])).name.lower(), seen.trouble
    if reason and (said := series.reasons.get(len(series) - 1)) and said not in reason:
        reason = f"{reason} ({said})"
    share = seen.gap_s / LOOK_BACK_S if len(lately) else None
    return MeterNow(*place, seen.power_w, reason, int(good[-1]) if len(good) else None, quality, share, meter.simulated)


def states(store: ReadingStore) -> dict[str, list[HostState]]:
    """The newest states of each agent, oldest first."""
    found: dict[str, list[HostState]] = defaultdict(list)
    for state in store.last_states():
        found[state.agent_id].append(state)
    return found


def cost(told: Sequence[HostState]) -> Cost | None:
    """The processor time between the last two states of the newest start, else since the start; None before anything was told."""
    if not told:
        return None
    last = told[-1]
    since = [one for one in told[:-1] if one.epoch_ns == last.epoch_ns]
    begin_ns, begin_cpu_ns = (since[-1].t_ns, since[-1].overhead.cpu_ns) if since else (last.epoch_ns + last.offset_ns, 0)
    over_ns = last.t_ns - begin_ns
    if over_ns <= 0 or not last.overhead.rss_bytes:
        return None
    return Cost((last.overhead.cpu_ns - begin_cpu_ns) / over_ns, over_ns / NS_PER_S, last.overhead.rss_bytes)
