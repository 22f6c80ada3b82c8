"""What may be wrong by the rules CAL: of the BMC that an ES1 run is read by, and of the one that checks an ES2 run."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark.calibration.alignment import Alignment, Binding, HeldOut, PlateauRecord
from joulemark.cards.evidence import Aligned, Evidence, around
from joulemark.certificate import Certificate
from joulemark.energy.series import Series
from joulemark.readings import Current
from joulemark.standard.verdict import Verdict
from tests.kit import alignment
from tests.kit.change import Change, chained, of_node, psu, unaligned
from tests.kit.lab import BEGIN_NS, Lab
from tests.kit.sensors import BMC
from tests.kit.spoil import SEED, Spoil

DAY_NS: Final = 86_400 * 1_000_000_000


@functools.cache
def cross_check() -> tuple[Series, Aligned]:
    """The BMC of the long run, and its alignment in two passes."""
    shown = Lab.of("ES2", seed=SEED).sensors.bmc()
    return replace(shown, meter=replace(shown.meter, simulated=True)), alignment.made(SEED, before_ns=BEGIN_NS, reverse=True)


def checked(evidence: Evidence) -> Evidence:
    """The long run with the BMC beside the analyser; the short one is read by it already."""
    if evidence.alignments:
        return evidence
    shown, aligned = cross_check()
    return replace(evidence, series=(*evidence.series, around(shown, evidence.run)), alignments=(aligned,))


def spoilt(change: Change) -> Change:
    """A change of a run that needs an alignment, short or long."""
    return chained(checked, change)


def aligned(change: Callable[[Aligned], Aligned]) -> Change:
    """Every alignment changed."""
    return spoilt(lambda evidence: replace(evidence, alignments=tuple(change(one) for one in evidence.alignments)))


def record(change: Callable[[Alignment], Alignment]) -> Change:
    """Every record changed, its readings left as they are."""
    return aligned(lambda one: replace(one, record=change(one.record)))


def fields(**values: Any) -> Change:
    """Fields of every record."""
    return record(lambda one: replace(one, **values))


def plateaus(change: Callable[[PlateauRecord], PlateauRecord | None]) -> Change:
    """Plateaus changed, or left out."""
    return record(lambda one: replace(one, plateaus=tuple(new for old in one.plateaus if (new := change(old)) is not None)))


def only(name: str, change: Callable[[PlateauRecord], PlateauRecord | None]) -> Change:
    """One level changed."""
    return plateaus(lambda one: change(one) if one.name == name else one)


def held_out(change: Callable[[HeldOut], HeldOut]) -> Change:
    """The run that is not in the fit, changed."""
    return record(lambda one: replace(one, held_out=None if one.held_out is None else change(one.held_out)))


def binding(**values: Any) -> Change:
    """Fields of what the alignments are bound to."""
    return record(lambda one: replace(one, binding=replace(one.binding, **values)))


def reference(**values: Any) -> Change:
    """Fields of the reference meter."""
    return aligned(lambda one: replace(one, reference=replace(one.reference, meter=replace(one.reference.meter, **values))))


def certificate(change: Callable[[Certificate], Certificate | None]) -> Change:
    """The certificate of the reference."""

    def changed(one: Aligned) -> Aligned:
        paper = one.reference.meter.certificate
        assert paper is not None
        return replace(one, reference=replace(one.reference, meter=replace(one.reference.meter, certificate=change(paper))))

    return aligned(changed)


def moved_w(name: str, share: float) -> Change:
    """The reference of a level away from the line."""
    return only(name, lambda one: replace(one, windows=tuple(replace(w, reference_w=w.reference_w * (1.0 + share)) for w in one.windows)))


def shorter(one: PlateauRecord) -> PlateauRecord:
    """Windows of 50 s."""
    return replace(one, windows=tuple(replace(w, end_ns=w.begin_ns + 50 * 1_000_000_000) for w in one.windows))


def raised(one: PlateauRecord) -> PlateauRecord:
    """A mid plateau near full load, on the same line."""
    return replace(one, windows=tuple(replace(w, sensor_w=w.sensor_w * 1.35, reference_w=w.reference_w * 1.35) for w in one.windows))


def lower(one: PlateauRecord) -> PlateauRecord:
    """Full load at 90 %."""
    return replace(one, windows=tuple(replace(w, sensor_w=w.sensor_w * 0.9, reference_w=w.reference_w * 0.9) for w in one.windows))


def of_the_fit(one: Alignment) -> Alignment:
    """A window of the fit stands as the run that was held out of it."""
    (first, *_), held = one.plateaus[-1].windows, one.held_out
    assert held is not None
    energies = {"sensor_j": first.sensor_w * 60.0, "reference_j": first.reference_w * 60.0}
    return replace(one, held_out=replace(held, begin_ns=first.begin_ns, end_ns=first.end_ns, **energies))


def thinned(name: str) -> Change:
    """Every third reading of the sensor or of the reference of an alignment alone."""

    def changed(one: Aligned) -> Aligned:
        series: Series = getattr(one, name)
        return replace(one, **{name: series.rows(np.arange(len(series)) % 3 == 0)})

    return aligned(changed)


def other_readings(one: Aligned) -> Aligned:
    """Raw readings of the sensor that are 1 % higher than those of the record."""
    return replace(one, sensor=replace(one.sensor, value=np.round(one.sensor.value * 1.01).astype(np.int64)))


def badge(**values: object) -> Callable[[Path], None]:
    """The badge of a ring test beside the card."""
    text = json.dumps({"schema": "joulemark.ring-badge/1", "date": "2026-06-01", "z": 0.4, "z_prime": None, "en": 0.2, **values})
    return lambda folder: (folder / "ring.json").write_text(text, encoding="utf-8") and None


PASS, CANNOT_TELL = Verdict.PASS, Verdict.CANNOT_TELL
ES2 = ("ES2",)
SPOILS: Final[Sequence[Spoil]] = (
    *(Spoil(f"CAL-{n}", "a sensor checks the analyser", checked, verdict=PASS) for n in range(1, 8)),
    Spoil("CAL-1", "no alignment", spoilt(unaligned), verdict=CANNOT_TELL),
    Spoil("CAL-1", "of another sensor", fields(sensor="redfish:node-1:CN9:power"), verdict=CANNOT_TELL),
    Spoil("CAL-1", "readings of another gain", aligned(other_readings)),
    Spoil("CAL-1", "another gain", record(lambda one: replace(one, gain=one.gain * 1.001))),
    Spoil("CAL-1", "another offset", record(lambda one: replace(one, offset_w=one.offset_w + 2.0))),
    Spoil("CAL-1", "half the uncertainty", record(lambda one: replace(one, u_gain=one.u_gain / 2))),
    Spoil("CAL-1", "a reference said to be perfect", fields(reference_u_rel=0.0)),
    Spoil("CAL-1", "nothing left of the lag", fields(lag_residual_s=0.0)),
    Spoil("CAL-1", "a wider span", record(lambda one: replace(one, span_w=(one.span_w[0] * 0.9, one.span_w[1] * 1.1)))),
    Spoil("CAL-1", "another lag", record(lambda one: replace(one, lag_s=one.lag_s + 0.6))),
    Spoil("CAL-1", "one window polished", moved_w("mid", 0.001)),
    Spoil("CAL-1", "held out run polished", held_out(lambda one: replace(one, reference_j=one.reference_j * 1.001))),
    Spoil("CAL-1", "taken from another node", fields(transferred=True)),
    Spoil("CAL-2", "no mid plateau", only("mid", lambda one: None)),
    Spoil("CAL-2", "four windows", only("idle", lambda one: replace(one, windows=one.windows[:4]))),
    Spoil("CAL-2", "short windows", only("full", shorter)),
    Spoil("CAL-2", "one window five times", only("mid", lambda one: replace(one, windows=one.windows[:1] * 5))),
    Spoil("CAL-2", "settled for half a minute", only("mid", lambda one: replace(one, settle_s=30.0))),
    Spoil("CAL-2", "mid near full", only("mid", raised)),
    Spoil("CAL-2", "full too low", only("full", lower)),
    Spoil("CAL-2", "reference every 3 s", thinned("reference")),
    Spoil("CAL-2", "sensor at another interval", thinned("sensor")),
    Spoil("CAL-2", "one pass", plateaus(lambda one: one if one.turn == 1 else None), grades=ES2),
    Spoil("CAL-3", "raw regression", fields(method="ols")),
    Spoil(
        "CAL-3", "pairs of readings", plateaus(lambda one: replace(one, windows=tuple(replace(w, end_ns=w.begin_ns) for w in one.windows)))
    ),
    Spoil("CAL-3", "two plateaus for Deming", only("mid", lambda one: None)),
    Spoil("CAL-4", "a plateau off the line", moved_w("mid", 0.025)),
    Spoil("CAL-4", "held out run off", held_out(lambda one: replace(one, reference_j=one.reference_j * 1.025))),
    Spoil("CAL-4", "a plateau as the run held out", record(of_the_fit)),
    Spoil("CAL-4", "no run held out", fields(held_out=None), verdict=CANNOT_TELL),
    Spoil("CAL-4", "another workload held out", held_out(lambda one: replace(one, workload="gpu-burn"))),
    Spoil("CAL-4", "workload not named", held_out(lambda one: replace(one, workload="")), verdict=CANNOT_TELL),
    Spoil("CAL-5", "gain of another channel", fields(gain=2.08)),
    Spoil(
        "CAL-5",
        "across the supplies",
        aligned(lambda one: replace(one, sensor=replace(one.sensor, meter=replace(BMC, current=Current.DC)))),
    ),
    Spoil("CAL-5", "modelled with one workload", fields(gain=1.2, modelled=True)),
    Spoil("CAL-6", "too old", record(lambda one: replace(one, made_ns=one.made_ns - 91 * DAY_NS, expires_ns=one.expires_ns + DAY_NS))),
    Spoil("CAL-6", "made after the run", record(lambda one: replace(one, made_ns=BEGIN_NS + DAY_NS))),
    Spoil("CAL-6", "dated before its readings", record(lambda one: replace(one, made_ns=one.made_ns - DAY_NS))),
    Spoil("CAL-6", "expired", record(lambda one: replace(one, expires_ns=one.made_ns))),
    Spoil("CAL-6", "new firmware of the BMC", spoilt(of_node(bmc_firmware="01.06.00"))),
    Spoil("CAL-6", "new driver", spoilt(of_node(driver="570.10"))),
    Spoil("CAL-6", "another node", spoilt(of_node(serial="S900002"))),
    Spoil("CAL-6", "another supply", spoilt(psu(1, name="PSU7"))),
    Spoil("CAL-6", "another sensor", binding(sensor_serial="CN0000000001")),
    Spoil("CAL-6", "another reference", binding(reference_serial="C2XL00000V")),
    Spoil("CAL-6", "another VBIOS", binding(vbios="96.00.61.00.01")),
    Spoil("CAL-6", "another interval", binding(interval_s=0.5)),
    *(
        Spoil("CAL-6", f"not bound to {name}", binding(**{name: ""}), verdict=CANNOT_TELL)
        for name in ("bmc_firmware", "vbios", "driver_major", "reference_serial")
    ),
    Spoil("CAL-6", "bound to nothing", fields(binding=Binding()), verdict=CANNOT_TELL),
    Spoil("CAL-6", "serial of the node unknown", spoilt(of_node(serial="")), verdict=CANNOT_TELL),
    Spoil("CAL-7", "accuracy unknown", reference(accuracy=None, model="", vendor=""), verdict=CANNOT_TELL),
    Spoil("CAL-7", "no certificate", certificate(lambda paper: None), verdict=CANNOT_TELL),
    Spoil("CAL-7", "old certificate", certificate(lambda paper: replace(paper, date="2024-10-01"))),
    Spoil("CAL-7", "certificate of another meter", certificate(lambda paper: replace(paper, serial="C2XL24034W"))),
    Spoil("CAL-7", "a coarse reference", aligned(lambda one: coarse(one, 3.0))),
    Spoil("CAL-8", "a good badge", files=badge(), verdict=PASS),
    Spoil("CAL-8", "far from the others", files=badge(z=2.4)),
    Spoil("CAL-8", "far from the reference", files=badge(en=1.2)),
    Spoil("CAL-8", "understated uncertainty", files=badge(z=-1.29, zeta=-2.554)),
    Spoil("CAL-8", "a round of five", files=badge(laboratories=5)),
    Spoil("CAL-8", "an old round", files=badge(date="2025-06-01")),
)


def coarse(one: Aligned, pct: float) -> Aligned:
    """The reference with another limit of error."""
    stated = one.reference.meter.accuracy
    assert stated is not None
    return replace(one, reference=replace(one.reference, meter=replace(one.reference.meter, accuracy=replace(stated, pct_reading=pct))))
