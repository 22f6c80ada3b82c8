"""AIPerf's PyNVMLTelemetryCollector on the GPUs of this process: `aiperf_telemetry.py PERIOD_S`, of .venv-peers.

Says `ready`, ends when its input ends, with the UTC times of its sweeps in ns as a JSON list.
"""

import asyncio
import json
import sys
from typing import Any

from aiperf.gpu_telemetry.pynvml_collector import PyNVMLTelemetryCollector


async def collect(period_s: float) -> None:
    """Until the input ends."""
    swept_ns: list[int] = []

    async def keep(records: list[Any], collector_id: str) -> None:
        del collector_id
        swept_ns.append(records[0].timestamp_ns)

    collector = PyNVMLTelemetryCollector(collection_interval=period_s, record_callback=keep)
    await collector.initialize()
    await collector.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await collector.stop()
    print(json.dumps(swept_ns), flush=True)


if __name__ == "__main__":
    asyncio.run(collect(float(sys.argv[1])))
