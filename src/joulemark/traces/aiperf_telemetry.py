"""AIPerf's `gpu_telemetry_export.jsonl`: one line per GPU and scrape, with power in W and an energy counter in MEGAjoules.

AIPerf 0.12 renamed the fields; both spellings are read. The counter is the driver's millijoules times 1e-9, so it is taken
back to whole millijoules. The stamp is when the scrape was made; the exporter behind it may hold a value for its own
refresh period, which the file does not tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from joulemark.document import json_object
from joulemark.energy.series import Series
from joulemark.errors import FormatError
from joulemark.readings import Boundary, Current, MeterInfo, Quantity
from joulemark.traces.recording import Recording
from joulemark.traces.rows import Rows, joules, watts
from joulemark.traces.stamps import in_range

POWER_FIELDS: Final = ("nvidia_power_usage", "amd_power", "gpu_power_usage")
ENERGY_FIELDS: Final = ("nvidia_energy_consumption", "amd_energy_consumption", "energy_consumption")
J_PER_MJ: Final = Decimal(10**6)
COUNTER_EXPONENT: Final = (-3,)


@dataclass(slots=True)
class Gpu:
    """What the lines say of one GPU."""

    serial: str
    model: str
    host: str
    vendor: str
    power: Rows = field(default_factory=Rows)
    energy: Rows = field(default_factory=Rows)


def matches(head: str) -> bool:
    """Whether a file that begins with the line `head` is AIPerf's GPU telemetry."""
    return head.startswith("{") and '"telemetry_data"' in head


def read(recording: Recording) -> list[Series]:
    """Per GPU one power and one energy counter, as far as the lines hold them. Raises FormatError."""
    gpus: dict[str, Gpu] = {}
    for where, line in recording.lines():
        entry = json_object(line, where=where)
        values, t_ns = entry.get("telemetry_data"), entry.get("timestamp_ns")
        if not isinstance(values, dict) or not isinstance(t_ns, int):
            raise FormatError(f"{where}: no telemetry_data or timestamp_ns", "expected AIPerf's gpu_telemetry_export.jsonl")
        in_range(t_ns, where=where)
        gpu = gpus.setdefault(_identity(entry), _gpu(entry))
        gpu.power.add(t_ns, *watts(_printed(values, POWER_FIELDS)))
        gpu.energy.add(t_ns, *joules(_printed(values, ENERGY_FIELDS), unit_j=J_PER_MJ))
    out = []
    for gpu in gpus.values():
        for quantity, rows in ((Quantity.POWER, gpu.power), (Quantity.ENERGY_COUNTER, gpu.energy)):
            if len(rows.reasons) < len(rows.t_ns):
                out.append(_series(recording, gpu, quantity, rows))
    return out


def _series(recording: Recording, gpu: Gpu, quantity: Quantity, rows: Rows) -> Series:
    power = quantity is Quantity.POWER
    meter = MeterInfo(
        meter_id=recording.meter_id("aiperf", "power" if power else "energy", host=gpu.host or "file", serial=gpu.serial),
        kind="aiperf",
        quantity=quantity,
        exponent=-3,
        boundary=Boundary.GPU,
        current=Current.DC,
        vendor=gpu.vendor,
        model=gpu.model,
        serial=gpu.serial,
        accuracy=recording.accuracy,
        covers=(gpu.serial,),
    )
    return rows.series(meter) if power else rows.series(meter, exponents=COUNTER_EXPONENT)


def _identity(entry: dict[str, Any]) -> str:
    """What tells one GPU from another: its uuid, else where it sits."""
    return str(entry.get("gpu_uuid") or f"{entry.get('hostname', '')}-{entry.get('gpu_index', 0)}")


def _gpu(entry: dict[str, Any]) -> Gpu:
    return Gpu(
        serial=_identity(entry),
        model=str(entry.get("gpu_model_name") or ""),
        host=str(entry.get("hostname") or ""),
        vendor="AMD" if entry.get("platform") == "amd" else "NVIDIA" if entry.get("platform") == "nvidia" else "",
    )


def _printed(values: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first of `names` present, as text; empty for none or null."""
    value = next((values[name] for name in names if name in values), None)
    return "" if value is None else str(value)
