"""What an analyser behind SPEC PTDaemon says of itself, as meters: the sum first, then its channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from joulemark import whitelist
from joulemark.errors import ConfigError
from joulemark.meters.ptdaemon_lines import EXPONENT, TOTAL, WITNESSES, Identity, judged
from joulemark.readings import Accuracy, Averaging, Boundary, Current, DeviceInfo, MeterInfo, MeterRange, Quantity

AVERAGED_MS: Final = 1000
"""At this period the daemon asks the analyser for the mean of its last second; of others it is not known."""


def described(device_id: str, identity: Identity, ranges: MeterRange, *, sample_ms: int) -> MeterInfo:
    """The sum of an analyser that is sampled each `sample_ms`, as far as it does not depend on its channels."""
    calibrated = "" if identity.calibrated else "; it holds no calibration date"
    averaged = sample_ms == AVERAGED_MS
    return MeterInfo(
        meter_id=f"{device_id}:{TOTAL}",
        kind="ptdaemon",
        quantity=Quantity.POWER,
        exponent=EXPONENT,
        boundary=Boundary.WALL_ANALYZER,
        current=Current.AC,
        vendor=identity.vendor,
        model=identity.model,
        serial=identity.serial,
        firmware=identity.firmware,
        averaging=Averaging.BOXCAR if averaged else Averaging.UNKNOWN,
        averaging_window_s=AVERAGED_MS / 1000 if averaged else None,
        update_period_s=sample_ms / 1000,
        interface="PTDaemon",
        range=ranges,
        simulated=identity.dummy,
        note=f"PTDaemon {identity.version}, analyser {identity.name}{calibrated}; a stamp does not say which end of its second it marks",
    )


def device_of(
    meter: MeterInfo, channels: tuple[str, ...], covers: tuple[str, ...], details: Mapping[str, Mapping[str, str]] | None = None
) -> DeviceInfo:
    """The device of the sum `meter` and of its channels, and of what `details` of a row show beside each single one.

    Raises ConfigError when `covers` does not name each channel's cord.

    Where no cords are named a channel stands for what it feeds, by the analyser's own name: two analysers never watch one thing.
    """
    if channels and covers and len(covers) != len(channels):
        raise ConfigError(
            f"ptdaemon.covers names {len(covers)} cords, the analyser has {len(channels)} channels",
            f"name the cords of {', '.join(channels)}",
        )
    serial = meter.device_id.rpartition(":")[2]
    cords = covers or tuple(f"{serial}-{channel}" for channel in channels or (TOTAL,))
    sums = replace(meter, covers=cords, accuracy=stated(meter, max(1, len(channels))))
    parts = tuple(
        replace(meter, meter_id=f"{meter.device_id}:{channel}", covers=(cord,), accuracy=stated(meter, 1))
        for channel, cord in zip(channels, cords, strict=False)  # a sum without channels covers cords too
    )
    singles = parts or (sums,)
    beside = (witness for one in singles for witness in witnesses(one, (details or {}).get(one.channel, {})))
    return DeviceInfo(meter.device_id, (sums, *parts, *beside))


def witnesses(meter: MeterInfo, shown: Mapping[str, str]) -> Iterator[MeterInfo]:
    """Voltage, current and power factor beside the power of one channel, as far as its rows tell them.

    A sum of several channels has none: its rows carry means, by which no power is proven.
    """
    for word, (quantity, exponent) in WITNESSES.items():
        if judged(shown.get(word, ""))[0] is not None:
            yield replace(meter, meter_id=f"{meter.meter_id}-{quantity}", quantity=quantity, exponent=exponent, accuracy=None, rated_w=None)


def stated(meter: MeterInfo, channel_count: int) -> Accuracy | None:
    """The whitelist's limit of error on the sum of `channel_count` equal ranges; None on no fixed range, and for a model not listed."""
    at = meter.range
    if at is None or at.auto is not False or at.volts is None or at.amps is None:
        return None
    entry = whitelist.find(meter.vendor, meter.model)
    return entry.accuracy(channel_count * at.volts * at.amps) if entry else None
