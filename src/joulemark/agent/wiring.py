"""Keys of any `[[meter]]` table that the agent reads itself, and what they change in the descriptions of a meter's devices.

A driver tells what its device tells. Only the operator knows which cords an outlet feeds, that an outlet feeds a whole server, and
which certificate belongs to an instrument.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from joulemark import config
from joulemark.certificate import Certificate
from joulemark.config import MeterTable, at_least
from joulemark.errors import ConfigError
from joulemark.meters import registry
from joulemark.meters.descriptions import refuse_unstorable
from joulemark.readings import Accuracy, Boundary, Current, DeviceInfo, MeterInfo

SHA256: Final = re.compile("[0-9a-f]{64}")


class OnOpenError(enum.StrEnum):
    """What to do about a meter that cannot be opened."""

    FAIL = "fail"
    SKIP = "skip"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class RunnerConfig:
    """Keys of any `[[meter]]` table that the agent reads itself; the driver never sees them."""

    interval_ms: int = 0
    """Time between reads; 0 takes `agent.interval_ms`."""
    on_open_error: OnOpenError = OnOpenError.RETRY
    """`fail` ends the agent's start, `skip` goes on without the meter, `retry` tries again with growing waits."""
    covers: Mapping[str, tuple[str, ...]] | tuple[str, ...] = ()
    """Cords that it measures, as names of `agent.cords` or HOST/NAME: a list, or for several channels a table from channel to list."""
    boundary: Boundary | None = None
    """Where it really sits, before what the driver says: an outlet that feeds one whole server is its server_input."""
    current: Current | None = None
    """Side of the power supply on which it really sits."""
    certificate: Certificate | None = None
    """Its calibration certificate: serial, date, laboratory, u95_rel, and if need be k, sha256 of the document, and guard_band_rel."""
    accuracy: Accuracy | None = None
    """Its limit of error, before what the driver says: pct_reading, pct_range of range_w, abs_w, and the source; where the maker states
    them temperature_coefficient_per_k and the ambient from ambient_low_c to ambient_high_c."""

    simulated: bool = False
    """True for a stand-in of a meter, as on a test bench: every figure from it says so, and no board takes it."""

    def __post_init__(self) -> None:
        at_least("meter.interval_ms", self.interval_ms, 0)
        if self.certificate is not None:
            check_certificate(self.certificate)
        if self.accuracy is not None:
            for key in ("pct_reading", "pct_range", "range_w", "abs_w"):
                at_least(f"meter.accuracy.{key}", getattr(self.accuracy, key), 0.0)
            if not self.accuracy.believable:
                what = "meter.accuracy: temperature_coefficient_per_k, ambient_low_c or ambient_high_c is not believable"
                raise ConfigError(what, "give a share of reading per kelvin, 0 or more, and the lower bound of the ambient first")


def check_certificate(certificate: Certificate) -> None:
    """Raise ConfigError for a certificate that no laboratory writes."""
    try:
        datetime.date.fromisoformat(certificate.date)
    except ValueError as error:
        raise ConfigError(f"meter.certificate.date = {certificate.date!r} is no date", 'write it as "2026-01-31"') from error
    if not 0.0 < certificate.u95_rel < 1.0:
        what = f"meter.certificate.u95_rel = {certificate.u95_rel} is no relative uncertainty"
        raise ConfigError(what, "write 0.1 % as 0.001")
    at_least("meter.certificate.k", certificate.k, 1.0)
    if certificate.sha256 and not SHA256.fullmatch(certificate.sha256):
        raise ConfigError("meter.certificate.sha256 is no SHA-256", "write what sha256sum prints: 64 lower-case hexadecimal digits")


def divided(table: MeterTable) -> tuple[RunnerConfig, MeterTable]:
    """The agent's own keys of `table`, and the table that is left for the driver. Raises ConfigError, and what `registry.driver` does.

    A key that the driver has itself, as the cords of an analyser's channels in their order, is the driver's.
    """
    theirs = {f.name for f in dataclasses.fields(registry.driver(table.kind).config)}
    own = {f.name for f in dataclasses.fields(RunnerConfig)} - theirs
    mine: Mapping[str, Any] = {key: value for key, value in table.options.items() if key in own}
    rest = {key: value for key, value in table.options.items() if key not in own}
    return config.build(RunnerConfig, mine, f"[[meter]] {table.kind}"), MeterTable(table.kind, rest)


def full_cords(names: Iterable[str], host: str) -> tuple[str, ...]:
    """The names of cords with their host in front, which is `host` where they name none."""
    return tuple(name if "/" in name else f"{host}/{name}" for name in names)


def wired(devices: Sequence[DeviceInfo], settings: RunnerConfig, *, source: str, host: str, cords: Sequence[str]) -> tuple[DeviceInfo, ...]:
    """`devices` as the operator knows them. `source` names the meter for messages; `cords`: the full names of all cords.

    Raises ConfigError where a channel, a cord or the certificate's serial is none of the meter's, MeterUnavailable for descriptions that
    cannot be stored.
    """
    refuse_unstorable(devices, source)
    covered = covered_by(devices, settings, source=source, host=host, cords=cords)
    certificate = settings.certificate
    serials = {serial_of(meter) for device in devices for meter in device.meters}
    if certificate is not None and devices and certificate.serial not in serials:
        raise ConfigError(
            f"[[meter]] {source}: the certificate is of serial {certificate.serial!r}, and the meter tells {', '.join(sorted(serials))}",
            "give the certificate of this meter, or correct its serial",
        )
    changes: dict[str, Any] = {} if settings.current is None else {"current": settings.current}
    if settings.simulated:
        changes["simulated"] = True
    boundaries = moved(devices, settings, covered, source=source)
    accuracy = settings.accuracy and replace(settings.accuracy, source=settings.accuracy.source or "configuration")

    def known(meter: MeterInfo) -> MeterInfo:
        by_driver = tuple(full if (full := f"{host}/{name}") in cords else name for name in meter.covers)
        more = {**changes, "covers": covered.get(meter.meter_id, by_driver), "cords": tuple(cords)}
        if accuracy is not None and meter.quantity.measures_energy:
            more["accuracy"] = accuracy
        more["boundary"] = boundaries.get(meter.meter_id, meter.boundary)
        if certificate is not None and serial_of(meter) == certificate.serial:
            more["certificate"] = certificate
        return replace(meter, **more)

    return tuple(replace(device, meters=tuple(map(known, device.meters))) for device in devices)


def moved(
    devices: Sequence[DeviceInfo], settings: RunnerConfig, covered: Mapping[str, tuple[str, ...]], *, source: str
) -> dict[str, Boundary]:
    """Meter id to the boundary that the key says: of the channels that a table of `covers` names, else of all.

    Raises ConfigError where these sit at several: moved to one place, the inlet of a strip and its outlets would be added up.
    """
    if settings.boundary is None:
        return {}
    everything = not isinstance(settings.covers, Mapping)
    meters = [meter for device in devices for meter in device.meters if everything or meter.meter_id in covered]
    if len({meter.boundary for meter in meters}) > 1:
        raise ConfigError(
            f"[[meter]] {source}: boundary = {str(settings.boundary)!r} is for {channels(meters)}, which sit at several boundaries",
            "write a table covers = { CHANNEL = [...] } of the channels that are meant",
        )
    return {meter.meter_id: settings.boundary for meter in meters}


def covered_by(
    devices: Sequence[DeviceInfo], settings: RunnerConfig, *, source: str, host: str, cords: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Meter id to what the key `covers` says of it; a meter that it does not name is left out. Raises ConfigError."""
    meters = [meter for device in devices for meter in device.meters]
    where = f"[[meter]] {source}: covers"
    if not meters or not settings.covers:
        return {}
    if not isinstance(settings.covers, Mapping):
        measuring = [meter for meter in meters if meter.quantity.measures_energy]
        if not measuring:
            raise ConfigError(f"{where} names cords, and the meter measures no energy", "leave the key out")
        views = Counter((meter.quantity, meter.averaging, meter.averaging_window_s) for meter in measuring)
        if len({meter.device_id for meter in measuring}) > 1 or max(views.values()) > 1:
            raise ConfigError(
                f"{where} is one list, and the meter has the channels {channels(meters)}", "write a table: covers = { CHANNEL = [...] }"
            )
        names = named_cords(settings.covers, where=where, host=host, cords=cords)
        of_power = {meter.device_id for meter in measuring}  # a witness on a device of its own watches what its driver says
        return {meter.meter_id: names for meter in meters if meter.device_id in of_power}
    found = {}
    for channel, given in settings.covers.items():
        meant = [meter for meter in meters if is_of(meter, channel)]
        if not meant:
            raise ConfigError(f"{where} names the channel {channel!r}, which the meter has not", f"name one of {channels(meters)}")
        names = named_cords(given, where=f"{where}.{channel}", host=host, cords=cords)
        found.update({meter.meter_id: names for meter in meant})
    return found


def named_cords(given: Sequence[str], *, where: str, host: str, cords: Sequence[str]) -> tuple[str, ...]:
    """`given` with the host in front of names of its cords. Raises ConfigError for a cord that a host with known cords has not."""
    names = tuple(full if (full := f"{host}/{name}") in cords else name for name in given)
    hosts = {cord.partition("/")[0] for cord in cords}
    for name in names:
        of = name.partition("/")[0] if "/" in name else host
        if of in hosts and name not in cords:
            raise ConfigError(f"{where}: {name!r} is none of the cords in [agent]", f"name one of {', '.join(cords)}, or add it there")
    return names


def serial_of(meter: MeterInfo) -> str:
    """The serial of a meter's device: as the meter tells it, else the one in its id."""
    return meter.serial or meter.device_id.rsplit(":", 1)[1]


def is_of(meter: MeterInfo, channel: str) -> bool:
    """Whether `channel` means `meter`: the channel of its id, its beginning (`outlet-3` for `outlet-3-power`), or its device's serial."""
    own = meter.channel
    return channel in (own, meter.serial, meter.device_id.rsplit(":", 1)[1]) or own.startswith(
        (f"{channel}-", f"{channel}_", f"{channel}.")
    )


def channels(meters: Sequence[MeterInfo]) -> str:
    """The channels of `meters` for a message."""
    names = list(dict.fromkeys(meter.channel for meter in meters))
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
