"""The record of an alignment: a sensor held against a reference meter at plateaus of constant load, and the line that came of it.

It carries what a stranger needs to make the line again (CAL-1): the means of every window, and the hashes of the files with its readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from joulemark import document
from joulemark.errors import FormatError

CALIBRATION_SCHEMA: Final = "joulemark.calibration/1"


@dataclass(frozen=True, slots=True)
class PlateauWindow:
    """One window of a plateau: means of both streams in W over [begin_ns, end_ns], after the sensor was moved by its lag."""

    begin_ns: int
    end_ns: int
    sensor_w: float
    reference_w: float


@dataclass(frozen=True, slots=True)
class PlateauRecord:
    """A plateau: `name` idle, mid or full (or of the user's own); `turn` 1 for the first pass, 2 for the one in reverse order."""

    name: str
    turn: int
    settle_s: float
    workload: str
    windows: tuple[PlateauWindow, ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A run that is not part of the fit: raw sensor energy and reference energy in J over [begin_ns, end_ns]."""

    begin_ns: int
    end_ns: int
    sensor_j: float
    reference_j: float
    workload: str


@dataclass(frozen=True, slots=True)
class Binding:
    """What the alignment holds for: a change of any of it voids the record (CAL-6)."""

    sensor_serial: str = ""
    reference_serial: str = ""
    node_serial: str = ""
    bmc_firmware: str = ""
    vbios: str = ""
    driver_major: str = ""
    psus: tuple[str, ...] = ()
    interval_s: float | None = None
    settings_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Alignment:
    """reference = gain * sensor + offset, for the meter `sensor`, from `made_ns` until `expires_ns`.

    `method`: `two_plateaus`, `deming` or `odr`. `cov_w`: covariance of gain and offset. `dof`: degrees of freedom of the fit, None where
    it is exact. `span_w`: lowest and highest plateau of the sensor. `lag_s`: positive where the sensor is late; `lag_residual_s` what is
    left after the shift, from `lag_edges` steps of the load. `reference_u_rel`: standard uncertainty of the reference, relative, common to
    all plateaus. `gain_change_per_90_d`: from the alignment before, None until there are two. `modelled`: made across a boundary;
    `transferred`: taken from another node. `files`: path below `energy/` -> sha256 of the raw readings of both streams.
    """

    alignment_id: str
    sensor: str
    reference: str
    made_ns: int
    expires_ns: int
    method: str
    gain: float
    offset_w: float
    u_gain: float
    u_offset_w: float
    cov_w: float
    dof: float | None
    span_w: tuple[float, ...]
    lag_s: float
    lag_residual_s: float
    lag_edges: int
    reference_u_rel: float
    plateaus: tuple[PlateauRecord, ...]
    held_out: HeldOut | None = None
    gain_change_per_90_d: float | None = None
    modelled: bool = False
    transferred: bool = False
    binding: Binding = field(default_factory=Binding)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """What `calibration.json` holds."""

    alignments: tuple[Alignment, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.calibration/1`."""
        return {"schema": CALIBRATION_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError."""
        if data.get("schema") != CALIBRATION_SCHEMA:
            what = f"the calibration has schema {document.shown(data.get('schema'))}, not {CALIBRATION_SCHEMA!r}"
            raise FormatError(what, "use the joulemark version that wrote it")
        return document.record(cls, {key: value for key, value in data.items() if key != "schema"}, where="calibration")
