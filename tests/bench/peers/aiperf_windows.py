"""AIPerf's energy of the windows of a plan, of .venv-peers.

Says `ready`, reads the plan, a JSON list of [name, begin_ns, end_ns] in UTC, from its input, and writes at the end for each collector what
it found in each window, with the moments between which it was asked. It does what AIPerf's
GPUTelemetryManager does for a phase: one scrape before it, one after it, those of its collector in between, and of these the
accumulator's difference of the counter. Its collector runs at its own 0.333 s, and at 20 Hz.
"""

import asyncio
import json
import sys
import time
from typing import Any

from aiperf.common.environment import Environment
from aiperf.common.models import GpuMetadata
from aiperf.common.models.telemetry_models import GpuTelemetryData, TimeRangeFilter
from aiperf.gpu_telemetry.pynvml_collector import PyNVMLTelemetryCollector

PERIODS_S = {"default": Environment.GPU.COLLECTION_INTERVAL, "20 Hz": 0.05}
ENERGY = "nvidia_energy_consumption"
J_PER_MJ = 1e6


async def wait_until(utc_ns: int) -> None:
    """Sleep until a moment."""
    await asyncio.sleep(max(0.0, (utc_ns - time.time_ns()) / 1e9))


async def measure(plan: list[tuple[str, int, int]], period_s: float) -> list[dict[str, Any]]:
    """Every window by one collector."""
    records: list[Any] = []

    async def keep(found: list[Any], collector_id: str) -> None:
        del collector_id
        records.extend(found)

    collector = PyNVMLTelemetryCollector(collection_interval=period_s, record_callback=keep)
    await collector.initialize()
    await collector.start()
    found = []
    for name, begin_ns, end_ns in plan:
        await wait_until(begin_ns)
        first = len(records)
        await collector.collect_and_process_metrics()
        began_ns = time.time_ns()
        await wait_until(end_ns)
        ended_ns = time.time_ns()
        await collector.collect_and_process_metrics()
        found.append({"name": name, "begin_ns": began_ns, "end_ns": ended_ns, "energy_j": energy_j(records[first:], began_ns, ended_ns)})
    await collector.stop()
    return found


def energy_j(records: list[Any], begin_ns: int, end_ns: int) -> float:
    """What the accumulator makes of the counter between the scrapes around a phase."""
    data = GpuTelemetryData(metadata=GpuMetadata(**{name: getattr(records[0], name) for name in GpuMetadata.model_fields}))
    for record in records:
        data.add_record(record)
    window = TimeRangeFilter(start_ns=begin_ns, end_ns=end_ns + Environment.GPU.FINAL_SCRAPE_GRACE_NS)
    return float(data.get_metric_result(ENERGY, ENERGY, "", "MJ", time_filter=window, is_counter=True).avg) * J_PER_MJ


async def main() -> None:
    """Both collectors over the same windows."""
    print("ready", flush=True)
    plan = json.loads(sys.stdin.readline())
    running = [measure(plan, period_s) for period_s in PERIODS_S.values()]
    print(json.dumps(dict(zip(PERIODS_S, await asyncio.gather(*running), strict=True))), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
