"""Writes what this version says on the wire, for later versions to read: `python -m tests.compat.recorded FILE`.

Run it in the checkout of a version that is released; the file of a version is never written again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from joulemark.proto import convert
from joulemark.proto.messages import PROTOCOL_VERSION, ClockProbe, Hello
from tests.collector.golden import AHEAD, batches


def understood(body: bytes) -> dict[str, Any]:
    """What a batch says, in plain values."""
    view = convert.decode(body)
    return {
        "key": [view.epoch_ns, view.batch_seq, view.boot_id, view.closed_ns],
        "clock": asdict(view.clock),
        "losses": [asdict(loss) for loss in view.losses],
        "devices": [[device.device_id, [meter.meter_id for meter in device.meters]] for device in view.devices],
        "blocks": [[block.device_id, block.row_count, block.base_mono_ns, bytes(block.mono_delta_ns).hex()] for block in view.blocks],
        "cost": [view.overhead.cpu_ns, view.overhead.rss_bytes, [[one.source, one.read_count] for one in view.overhead.meters]],
    }


def recorded() -> dict[str, Any]:
    """A greeting, a probe of the clock and three batches of an agent, as bytes, and what they mean."""
    bodies = [received.body for received in batches("ahead", 37_500_000_000, [AHEAD] * 3)]
    hello = Hello("host", 17, "boot", "0.1.0", instance_id="00112233")
    return {
        "protocol_version": PROTOCOL_VERSION,
        "hello": convert.request_bytes(hello).hex(),
        "probe": convert.request_bytes(ClockProbe(3, 5)).hex(),
        "bodies": [body.hex() for body in bodies],
        "understood": [understood(body) for body in bodies],
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(recorded(), separators=(",", ":")) + "\n", encoding="utf-8")
