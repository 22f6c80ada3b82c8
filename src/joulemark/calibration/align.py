"""The alignment of one sensor: from the readings of both meters over marked plateaus to the record (Energy Standard v1, section 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from joulemark.calibration.alignment import Alignment, Binding, HeldOut, PlateauRecord
from joulemark.calibration.fit import Fit, deming, exact, weighted
from joulemark.calibration.lag import Lag, lag_of
from joulemark.calibration.plateaus import Span, cut, mean_w
from joulemark.energy.series import Series
from joulemark.energy.uncertainty import u_spec
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import MeterInfo
from joulemark.units import NS_PER_S

VALID_D: Final = 90.0
"""An alignment expires after this (CAL-6)."""


def align(
    sensor: Series,
    reference: Series,
    spans: Sequence[Span],
    *,
    held_out: Span | None = None,
    alignment_id: str,
    made_ns: int,
    window_s: float = 60.0,
    method: str = "",
    reference_u_rel: float | None = None,
    binding: Binding | None = None,
    before: Alignment | None = None,
    modelled: bool = False,
    transferred: bool = False,
    valid_d: float = VALID_D,
    files: Mapping[str, str] | None = None,
) -> Alignment:
    """The record of `sensor` held against `reference` on the plateaus `spans`, its lag found on their steps of the load.

    `held_out`: a run that is not in the fit. `method`: `two_plateaus`, `deming` or `odr`; by default the exact line for two levels,
    Deming for more. `reference_u_rel`: by default from what the reference states, at the lowest plateau, where it is largest. `before`:
    the alignment before this one, for the drift. Nothing is judged here, see `acceptance`. Raises InsufficientData where the lag, a
    window or the line cannot be told, UsageError for a reference of unknown accuracy.
    """
    marked = [*spans, held_out] if held_out is not None else list(spans)
    edges_ns = sorted({edge for span in marked for edge in (span.step_ns, span.end_ns)})
    lag = lag_of(sensor, reference, edges_ns)
    moved = shifted(sensor, lag)
    plateaus = tuple(cut(moved, reference, span, window_s=window_s) for span in spans)
    fit = fitted(plateaus, method=method or _method(plateaus), resolution_w=resolution_w(sensor.meter))
    lowest_w = min(window.reference_w for plateau in plateaus for window in plateau.windows)
    return Alignment(
        alignment_id=alignment_id,
        sensor=sensor.meter.meter_id,
        reference=reference.meter.meter_id,
        made_ns=made_ns,
        expires_ns=made_ns + round(valid_d * 86_400 * NS_PER_S),
        method=method or _method(plateaus),
        gain=fit.gain,
        offset_w=fit.offset_w,
        u_gain=fit.u_gain,
        u_offset_w=fit.u_offset_w,
        cov_w=fit.cov_w,
        dof=None if fit.dof is None or math.isinf(fit.dof) else fit.dof,
        span_w=fit.span_w,
        lag_s=lag.lag_s,
        lag_residual_s=lag.residual_s,
        lag_edges=lag.edges,
        reference_u_rel=u_rel_of(reference.meter, lowest_w) if reference_u_rel is None else reference_u_rel,
        plateaus=plateaus,
        held_out=None if held_out is None else _held(moved, reference, held_out),
        gain_change_per_90_d=_change(fit.gain, before),
        modelled=modelled,
        transferred=transferred,
        binding=binding or Binding(sensor.meter.serial, reference.meter.serial),
        files=dict(files or {}),
    )


def fitted(plateaus: Sequence[PlateauRecord], *, method: str, resolution_w: float = 0.0) -> Fit:
    """The line through recorded plateaus; passes at one level are one plateau. `resolution_w`: step of the sensor.

    Where the load stands so still that a sensor's readings stay within a step, all windows of a plateau are off together. Raises
    InsufficientData where there are too few plateaus, UsageError for another method.
    """
    levels: dict[str, list[tuple[float, float]]] = {}
    for plateau in plateaus:
        levels.setdefault(plateau.name, []).extend((w.sensor_w, w.reference_w) for w in plateau.windows)
    groups = sorted(levels.values(), key=lambda windows: math.fsum(s for s, _ in windows) / max(len(windows), 1))
    common_w = resolution_w / math.sqrt(12.0)
    if method == "two_plateaus":
        if len(groups) < 2:
            raise InsufficientData(f"{len(groups)} plateau spans no line", "measure idle, mid and full load")
        return exact(groups[0], groups[-1], common_w=common_w)
    if method not in ("deming", "odr"):
        raise UsageError(f"there is no fit {method!r}", "two_plateaus, deming or odr")
    return deming(groups, common_w=common_w) if method == "deming" else weighted(groups, common_w=common_w)


def shifted(sensor: Series, lag: Lag) -> Series:
    """The sensor at the times that its readings are true for."""
    return replace(sensor, t_ns=sensor.t_ns - round(lag.lag_s * NS_PER_S))


def resolution_w(meter: MeterInfo) -> float:
    """Step of a power meter, W."""
    return float(meter.step * 10.0**meter.exponent)


def u_rel_of(meter: MeterInfo, power_w: float) -> float:
    """Relative standard uncertainty of a reference at `power_w`: its specification / sqrt 3 and its certificate.

    Raises UsageError where it states no accuracy.
    """
    if meter.accuracy is None:
        raise UsageError(
            f"the accuracy of the reference {meter.meter_id} is not known", "state `accuracy` of the meter in the configuration"
        )
    certificate = meter.certificate
    u_cert_rel = 0.0 if certificate is None else certificate.u95_rel / certificate.k
    return math.hypot(u_spec(power_w, 1.0, accuracy=meter.accuracy) / power_w, u_cert_rel)


def _method(plateaus: Sequence[PlateauRecord]) -> str:
    return "deming" if len({plateau.name for plateau in plateaus}) > 2 else "two_plateaus"


def _held(moved: Series, reference: Series, span: Span) -> HeldOut:
    duration_s = (span.end_ns - span.begin_ns) / NS_PER_S
    sensor_j, reference_j = (mean_w(one, span.begin_ns, span.end_ns) * duration_s for one in (moved, reference))
    return HeldOut(span.begin_ns, span.end_ns, sensor_j, reference_j, span.workload)


def _change(gain: float, before: Alignment | None) -> float | None:
    """The largest change of the gain so far, relative; it is taken for what may come in 90 days, whatever time lay between."""
    if before is None:
        return None
    return max(abs(gain / before.gain - 1.0), before.gain_change_per_90_d or 0.0)
