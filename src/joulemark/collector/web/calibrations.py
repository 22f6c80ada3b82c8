"""The page of calibrations and ring tests: which alignment corrects which meter until when, how it drifts, and how laboratories agree."""

from __future__ import annotations

import asyncio
import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from joulemark import document
from joulemark.calibration import acceptance
from joulemark.calibration.acceptance import LIMITS
from joulemark.calibration.alignment import Alignment
from joulemark.calibration.figures import FULL, IDLE, level_w, residual_rel
from joulemark.certificate import Certificate
from joulemark.collector import rings
from joulemark.collector.alignments import Alignments
from joulemark.collector.api.bodies import PRINTABLE
from joulemark.collector.api.calibrations import kept
from joulemark.collector.api.problems import NotFound
from joulemark.collector.api.state import Served, State
from joulemark.collector.web import alignment, looks
from joulemark.collector.web.drawings.drift import Line, Point, drift
from joulemark.collector.web.drawings.zscores import Score, zscores
from joulemark.errors import FormatError
from joulemark.markup import Markup
from joulemark.readings import MeterInfo
from joulemark.standard import certificate
from joulemark.standard.edition import edition
from joulemark.standard.verdict import GRADES
from joulemark.units import NS_PER_S

router = APIRouter(include_in_schema=False)

PER_PAGE: Final = 50
MOST_DRAWN: Final = 6
"""Sensors whose drift is drawn at once; each can be asked for by itself."""
SOON_D: Final = 14
"""Days before it expires that an alignment is called due."""
DAY_NS: Final = 86_400 * NS_PER_S
METERS: Final = "calibration/meters.json"
BEYOND: Final = "its figures are beyond what any meter shows"


@dataclass(frozen=True, slots=True)
class Kept:
    """Alignments that can be read, newest first; why others cannot; and by its id the certificate of the reference, None without."""

    records: tuple[Alignment, ...]
    faults: Mapping[str, str]
    papers: Mapping[str, Certificate | None]


@router.get("/calibrations")
async def calibrations(
    state: Served,
    sensor: Annotated[str | None, Query(max_length=500, pattern=PRINTABLE)] = None,
    page: Annotated[int, Query(ge=1, lt=2**31)] = 1,
) -> HTMLResponse:
    """The alignments of all meters, or of `sensor`, as `GET /v1/calibrations` lists them, and the ring tests that were put here."""
    known = await asyncio.to_thread(known_to, state)
    found, faults = await asyncio.to_thread(rings.rings, rings_of(state))
    now_ns = state.clock.utc_ns()
    records = [one for one in known.records if sensor in (None, "", one.sensor)]
    pages = max(1, -(-len(records) // PER_PAGE))
    if page > pages:
        raise NotFound(f"there is no page {page} of the alignments", "begin with page 1")
    newest: dict[str, str] = {}
    for one in records:
        newest.setdefault(one.sensor, one.alignment_id)
    return await looks.page(
        state,
        "calibrations.html",
        here="/calibrations",
        title="Calibration and ring test",
        sensor=sensor or "",
        sensors=sorted({one.sensor for one in known.records}),
        everything=len(known.records),
        page=page,
        pages=pages,
        lines=[
            line(one, now_ns, newest=newest[one.sensor] == one.alignment_id) for one in records[(page - 1) * PER_PAGE : page * PER_PAGE]
        ],
        faults=known.faults,
        drifts=drifts(records),
        papers=papers(records, known.papers, now_ns),
        rings=[ring_line(name, one) for name, one in found],
        ring_faults=faults,
        ring_folder=str(rings_of(state)),
    )


@router.get("/calibrations/{alignment_id}")
async def calibration(alignment_id: str, state: Served) -> HTMLResponse:
    """One alignment: its plateaus, its figures beside the limits of the standard, and how to make it again."""
    known = await asyncio.to_thread(known_to, state)
    found = next((one for one in known.records if one.alignment_id == alignment_id), None)
    if found is None:
        why = known.faults.get(alignment_id)
        raise NotFound(f"no alignment {alignment_id[:80]!r}" + (f": {why}" if why else ""), "list them with GET /v1/calibrations")
    files = await asyncio.to_thread(kept(state).files, alignment_id)
    newest = next(one for one in known.records if one.sensor == found.sensor)
    now_ns = state.clock.utc_ns()
    return await looks.page(
        state,
        "calibration.html",
        here="/calibrations",
        title=f"Alignment {found.alignment_id}",
        line=line(found, now_ns, newest=newest == found),
        paper=paper_line(found, known.papers[alignment_id], now_ns),
        address=state.config.collector.rest_listen,
        **alignment.told(found, files),
    )


@router.get("/calibrations/{alignment_id}/files/{path:path}")
async def alignment_file(alignment_id: str, path: str, state: Served) -> Response:
    """A file of an alignment as it was handed in."""
    text = await asyncio.to_thread(kept(state).text, alignment_id, path)
    if text is None:
        raise NotFound(f"no file {path[:200]!r} of alignment {alignment_id[:80]!r}", "list them with GET /v1/calibrations/ID")
    kind = "text/csv" if path.endswith(".csv") else "application/json"
    name = "".join(
        mark if mark.isalnum() or mark in "._-" else "-" for mark in f"{alignment_id}-{path.rpartition('/')[2]}" if mark.isascii()
    )
    return Response(text, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/calibrations/rings/{name}.json")
async def ring_file(name: str, state: Served) -> Response:
    """An evaluation as it lies here."""
    found = await asyncio.to_thread(rings.file, rings_of(state), name)
    if found is None:
        raise NotFound(f"no ring test {name[:80]!r}", "look at /calibrations")
    return Response(found, media_type="application/json")


def rings_of(state: State) -> Path:
    """Where evaluations of ring tests are put."""
    return state.config.collector.data_dir / rings.FOLDER


def known_to(state: State) -> Kept:
    """The alignments that are kept, read once until another one comes."""
    folder = state.config.collector.data_dir / "alignments"
    if not folder.is_dir():
        return Kept((), {}, {})
    return read(folder, folder.stat().st_mtime_ns, len(os.listdir(folder)))


@lru_cache(maxsize=2)
def read(folder: Path, changed_ns: int, count: int) -> Kept:
    """All alignments below `folder`: each appears whole and is never changed, so that the time of the folder tells of a new one."""
    del changed_ns, count
    store = Alignments(folder)
    found, faults = store.readable()
    records = tuple(one for one in found if alignment.believable(one))
    beyond = {one.alignment_id: BEYOND for one in found if one not in records}
    papers = {one.alignment_id: reference_of(one, store.text(one.alignment_id, METERS) or "") for one in records}
    return Kept(records, {**faults, **beyond}, papers)


def reference_of(record: Alignment, described: str) -> Certificate | None:
    """The certificate of the reference meter, by the text of `meters.json`; None where that has none, or cannot be read."""
    try:
        meters = document.json_object(described, where="meters.json").get("meters")
        found = (
            [one for one in meters if isinstance(one, dict) and one.get("meter_id") == record.reference] if isinstance(meters, list) else []
        )
        about = {key: value for key, value in found[0].items() if key not in ("file", "clock_bound_ns", "device_stamps")} if found else None
        return None if about is None else MeterInfo.from_json(about).certificate
    except FormatError:
        return None


def line(one: Alignment, now_ns: int, *, newest: bool) -> dict[str, Any]:
    """An alignment in the list: what it says, how long it holds, and what the standard makes of it."""
    left_d = (one.expires_ns - now_ns) / DAY_NS
    state = ("bad", "expired") if left_d < 0 else ("doubt", "due") if left_d < SOON_D else ("good", "in force")
    faults = {grade: acceptance.faults(one, limits) for grade, limits in LIMITS.items()}
    reached = next((grade for grade in reversed(GRADES) if not faults[grade]), "")
    return {
        "record": one,
        "left_d": abs(left_d),
        "look": state[0] if newest or left_d < 0 else "soft",
        "state": state[1] if newest or left_d < 0 else "replaced",
        "faults": faults,
        "reached": reached,
        "residual_rel": residual_rel(one),
    }


def drifts(records: Sequence[Alignment]) -> list[dict[str, Any]]:
    """For each sensor with two alignments or more: gain, offset and levels over time, drawn and told."""
    by_sensor: dict[str, list[Alignment]] = defaultdict(list)
    for one in sorted(records, key=lambda one: one.made_ns):
        by_sensor[one.sensor].append(one)
    return [told(sensor, ones) for sensor, ones in sorted(by_sensor.items()) if len(ones) > 1][:MOST_DRAWN]


def told(sensor: str, ones: Sequence[Alignment]) -> dict[str, Any]:
    """The drift of one sensor, from its first alignment to its last."""
    first, last = ones[0], ones[-1]
    gains = [Point(one.made_ns, one.gain, 2.0 * one.u_gain) for one in ones]
    offsets = [Point(one.made_ns, one.offset_w, 2.0 * one.u_offset_w) for one in ones]
    levels = [Line(name, [Point(one.made_ns, found) for one in ones if (found := level_w(one, name)) is not None]) for name in (FULL, IDLE)]
    known = [one for one in levels if one.points]
    bounds = sorted((value, f"{grade} {value:g}") for grade, limits in LIMITS.items() for value in (limits.gain_low, limits.gain_high))
    moved = abs(last.gain - first.gain) > 2.0 * math.hypot(first.u_gain, last.u_gain)
    change = f"{(last.gain / first.gain - 1.0):+.3%}" if first.gain else "not known"
    span = f"from {first.gain:.5g} to {last.gain:.5g} ({change}), {'more' if moved else 'no more'} than both uncertainties"
    return {
        "sensor": sensor,
        "count": len(ones),
        "said": f"The gain went {span}.",
        "gain": drift([Line("gain", gains)], unit="gain", limits=bounds, said=f"Gain of {sensor} {span}"),
        "offset": drift(
            [Line("offset", offsets)], unit="offset, W", said=f"Offset of {sensor} from {first.offset_w:.4g} to {last.offset_w:.4g} W"
        ),
        "levels": levelled(sensor, known),
        "rows": [(one, level_w(one, IDLE), level_w(one, FULL)) for one in reversed(ones)],
    }


def levelled(sensor: str, lines: Sequence[Line]) -> Markup | None:
    """The power of idle and of full load over time; None where no alignment has either."""
    if not lines:
        return None
    ends = ", ".join(f"{one.name} from {one.points[0].value:.4g} to {one.points[-1].value:.4g} W" for one in lines)
    return drift(lines, unit="sensor, W", said=f"Levels of {sensor}: {ends}")


@cache
def oldest_d() -> dict[str, int]:
    """Days after which the certificate of a reference does not count, by level (CAL-7)."""
    rule = next(one for one in edition().rules if one.id == "CAL-7")
    return {grade: int(rule.limit(grade, "certificate_age_d")) for grade in LIMITS}


def papers(records: Sequence[Alignment], known: Mapping[str, Certificate | None], now_ns: int) -> list[dict[str, Any]]:
    """The certificate of each reference meter, as its newest alignment has it."""
    newest: dict[str, Alignment] = {}
    for one in records:
        newest.setdefault(one.reference, one)
    return [paper_line(one, known.get(one.alignment_id), now_ns) for _, one in sorted(newest.items())]


def paper_line(one: Alignment, paper: Certificate | None, now_ns: int) -> dict[str, Any]:
    """A reference meter with its certificate: how old it is, and for which level it still counts today."""
    age_d = None if paper is None else certificate.age_d(paper, now_ns)
    counts = [grade for grade, most in oldest_d().items() if age_d is not None and 0 <= age_d <= most]
    look = "good" if "ES2" in counts else "doubt" if counts else "bad"
    words = {"good": "in force", "doubt": "for ES1 only", "bad": "expired" if age_d is not None and age_d > 0 else "not known"}
    return {"reference": one.reference, "paper": paper, "age_d": age_d, "look": look, "word": words[look], "limits": oldest_d()}


def ring_line(name: str, one: rings.RingTest) -> dict[str, Any]:
    """A ring test with its scores, drawn as far as it has any."""
    score = "z" if one.assigned is not None and one.assigned.u_negligible else "z'"
    order = sorted(one.laboratories, key=lambda lab: lab.value)
    judged = [Score(lab.name, lab.judged, lab.badge) for lab in order if lab.judged is not None]
    ens = [Score(lab.name, lab.en, abs(lab.en) <= 1.0) for lab in order if lab.en is not None]
    within = sum(abs(each.value) <= 2.0 for each in judged)
    agree = sum(each.good for each in ens)
    return {
        "name": name,
        "ring": one,
        "score": score,
        "badges": sum(lab.badge for lab in one.laboratories),
        "judged": zscores(
            judged, name=score, within=2.0, stop=3.0, said=f"{score} of {len(judged)} laboratories, {within} of them within 2"
        )
        if judged
        else None,
        "en": zscores(ens, name="En", within=1.0, said=f"En of {len(ens)} laboratories, {agree} of them within 1") if ens else None,
    }
