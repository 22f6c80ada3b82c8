"""What devices tell in words: cut to what a line can show, and descriptions of meters refused that neither spool nor wire can hold.

A device is a stranger: a name of a megabyte, half a surrogate or a million devices must not reach the spool that all meters share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from joulemark.errors import MeterUnavailable
from joulemark.readings import DeviceInfo, MeterInfo

LONGEST_NAME: Final = 200
LONGEST_REASON: Final = 500
LONGEST_ID: Final = 512
LONGEST_NOTE: Final = 2000
MOST_METERS: Final = 1024
"""Meters of one `[[meter]]` table: a rack of PDUs has some hundred."""


def legible(said: object, *, longest: int = LONGEST_NAME) -> str:
    """The text `said` on one line of at most `longest` characters, "?" for what cannot be printed; "" for what is no text."""
    if not isinstance(said, str):
        return ""
    line = " ".join(said[: 4 * longest].split())[:longest]
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)


def id_part(said: object) -> str:
    """The text `said` as a part of a meter id, without the signs that separate parts there and in paths."""
    return legible(said).replace(":", "-").replace("/", "-")


def refuse_unstorable(devices: Sequence[DeviceInfo], source: str) -> None:
    """Raise MeterUnavailable for descriptions that are too many or too long, stand twice, or hold what is no printable text or figure."""
    meters = [meter for device in devices for meter in device.meters]
    if len(meters) > MOST_METERS:
        raise MeterUnavailable(f"{source} shows {len(meters)} meters, more than {MOST_METERS}", "see that its address is that of a meter")
    ids = [meter.meter_id for meter in meters]
    if len(set(ids)) < len(ids) or len({device.device_id for device in devices}) < len(devices):
        twice = next((name for i, name in enumerate(ids) if name in ids[:i]), ids[0] if ids else "")
        raise MeterUnavailable(f"{source} shows the meter {legible(twice)} twice", "update the firmware of the device, or tell its maker")
    for meter in meters:
        for name in faults(meter):
            raise MeterUnavailable(
                f"{source}: {name} of the meter {legible(meter.meter_id)} cannot be stored: {legible(str(getattr(meter, name)))}",
                "see that it is a meter that answers, and update its firmware",
            )


def faults(meter: MeterInfo) -> Iterator[str]:
    """Names of the fields of a description that cannot be stored or are not believable."""
    names = {"vendor": meter.vendor, "model": meter.model, "serial": meter.serial, "firmware": meter.firmware, "interface": meter.interface}
    yield from (name for name, text in names.items() if len(text) > LONGEST_ID or not text.isprintable())
    if len(meter.meter_id) > LONGEST_ID or not meter.meter_id.isprintable():
        yield "meter_id"
    if any(len(text) > LONGEST_ID or not text.isprintable() for text in meter.covers):
        yield "covers"
    if len(meter.note) > LONGEST_NOTE or not " ".join(meter.note.split()).isprintable():
        yield "note"
    yield from (name for name, believable in meter.bounds().items() if not believable)
