"""The meter of a third party: one number in a text file, as many a laboratory's own logger writes it."""

from dataclasses import dataclass
from pathlib import Path

from joulemark.errors import MeterTransient, MeterUnavailable
from joulemark.meters.base import Driver, Isolation
from joulemark.readings import Boundary, Current, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import utc_minus_mono_ns
from joulemark.units import scaled

MILLI = -3


@dataclass(frozen=True, slots=True)
class AcmeConfig:
    """Keys of `[[meter]] kind = "acme"`."""

    file: Path
    """File that holds the power in watts, and nothing else."""
    serial: str = "1"
    """Serial on the type plate."""


class AcmeMeter:
    """Server input power as the logger of the ACME laboratory writes it."""

    kind = "acme"
    isolation = Isolation.SHARED

    def __init__(self, config, *, host):
        self._config = config
        self._device_id = f"acme:{host}:{config.serial}"
        self.info = ()

    def open(self):
        try:
            float(self._config.file.read_text())
        except (OSError, ValueError) as error:
            raise MeterUnavailable(f"{self._config.file}: {error}", "start the logger, or correct file") from error
        names = {"vendor": "ACME", "serial": self._config.serial}
        power = MeterInfo(f"{self._device_id}:power", self.kind, Quantity.POWER, MILLI, Boundary.SERVER_INPUT, Current.AC, **names)
        self.info = (DeviceInfo(self._device_id, (power,)),)

    def read(self, clock):
        if not self.info:
            raise MeterTransient("acme is read before open()")
        t_read0_ns = clock.mono_ns()
        try:
            power_mw = scaled(float(self._config.file.read_text()), MILLI)
        except (OSError, ValueError) as error:
            return [Sample.gap(self.info[0], t_read0_ns, clock.mono_ns(), utc_minus_mono_ns(clock), f"{self._config.file}: {error}")]
        return [Sample(self._device_id, t_read0_ns, clock.mono_ns(), utc_minus_mono_ns(clock), (power_mw,), (None,), (Quality.OK,), ("",))]

    def close(self):
        self.info = ()


DRIVER = Driver("acme", AcmeConfig, lambda config, host: AcmeMeter(config, host=host))
