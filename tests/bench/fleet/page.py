"""What a fleet takes: the measured cost of a batch times how many a fleet sends, each figure beside the one that was reckoned before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.fleet.known import CORE_HOUR_USD, DAY_S, GB_MONTH_USD, GPUS, HOSTS, HZ, QUANTITIES, RECKONED
from tests.bench.fleet.measured import Costs


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that so many hosts take at one batch period. Cost: of 10^9 values that are kept for a month."""

    period_s: int
    messages_per_s: float
    values_per_s: float
    front_cores: float
    log_seal_cores: float
    stream_gb: float
    network_mb_s: float
    disk_gb_day: float
    usd_per_1e9: float


def fleet(costs: Costs, hosts: int) -> Fleet:
    """The arithmetic: messages = hosts / period, values = hosts x 8 x 4 x 10; everything else is one of them times what was measured."""
    values = hosts * GPUS * QUANTITIES * HZ
    front, store = hosts / costs.period_s * costs.front_us / 1e6, values * (costs.log_ns + costs.seal_ns) / 1e9
    return made(costs.period_s, hosts, front, store, (costs.stream_bytes, costs.wire_bytes, costs.sealed_bytes))


def reckoned(period_s: int, hosts: int) -> Fleet:
    """The same out of the figures of the prototypes."""
    known, share = RECKONED[period_s], hosts / HOSTS
    sizes = known.stream_bytes, known.wire_bytes, known.sealed_bytes
    return made(period_s, hosts, known.front_cores * share, known.log_seal_cores * share, sizes)


def made(period_s: int, hosts: int, front_cores: float, log_seal_cores: float, sizes: tuple[float, float, float]) -> Fleet:
    """`sizes`: bytes of a stream in memory, of a value on the wire, and of a value on disk."""
    values, (stream, wire, sealed) = hosts * GPUS * QUANTITIES * HZ, sizes
    cpu_usd = (front_cores + log_seal_cores) * CORE_HOUR_USD / 3600 / values * 1e9
    return Fleet(
        period_s,
        hosts / period_s,
        values,
        front_cores,
        log_seal_cores,
        hosts * stream / 1e9,
        values * wire / 1e6,
        values * sealed * DAY_S / 1e9,
        cpu_usd + sealed * GB_MONTH_USD,
    )


ROWS = {
    "messages_per_s": "messages a second",
    "front_cores": "cores: gRPC, parse, hash, checks",
    "log_seal_cores": "cores: log and seal",
    "stream_gb": "memory of the streams, GB",
    "network_mb_s": "network, MB/s",
    "disk_gb_day": "sealed on disk, GB a day",
    "usd_per_1e9": "USD per 10^9 values, kept a month",
}


def shown(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def text(found: Sequence[Costs], hosts: int) -> str:
    """The table of a run; periods that were not measured are left out."""
    sides = [side for one in found for side in (asdict(fleet(one, hosts)), asdict(reckoned(one.period_s, hosts)))]
    cells = [cell for one in found for cell in (f"batches of {one.period_s} s", "reckoned")]
    head = f"| {hosts:,} hosts | {' | '.join(cells)} |\n|{'---|' * (len(cells) + 1)}\n"
    return head + "".join(f"| {words} | {' | '.join(shown(side[name]) for side in sides)} |\n" for name, words in ROWS.items())


def report(found: Sequence[Costs], hosts: int, load: float) -> dict[str, Any]:
    """What is written as JSON."""
    periods = [{**asdict(one), "fleet": asdict(fleet(one, hosts)), "reckoned": asdict(reckoned(one.period_s, hosts))} for one in found]
    return {"hosts": hosts, "gpus": GPUS, "quantities": QUANTITIES, "hz": HZ, "load": load, "periods": periods}
