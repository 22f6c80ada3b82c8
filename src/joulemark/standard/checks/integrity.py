"""Rules INT: the bundle is whole, its numbers come out of its readings, and it says who wrote it and with what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from joulemark.cards.bundle import FOLDER, MANIFEST, SUMMARY, summary
from joulemark.chain import FILES
from joulemark.energy.series import Series
from joulemark.standard.case import Case
from joulemark.standard.checks.base import Check
from joulemark.standard.checks.seal import int_7
from joulemark.standard.edition import Rule, versions
from joulemark.standard.fitting import unfit
from joulemark.standard.recompute import Difference, differences
from joulemark.standard.schema import schemas
from joulemark.standard.unit_names import nameless
from joulemark.standard.verdict import Outcome, Verdict, cannot_tell, judged

BROKEN: Final = ("missing", "changed")
"""Findings by which the manifest contradicts the files; the others only leave it incomplete."""

UNBOUND: Final = frozenset({f"{FOLDER}/card.json", f"{FOLDER}/chain.json", MANIFEST, SUMMARY})
"""Files that the chain cannot hold: the chain itself and what is made after it, which INT-2 computes again."""

NO_METERS: Final = ("replay", "fake")
SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
SHOWN: Final = 3
"""At most so many places are named in a sentence."""


def int_1(case: Case, rule: Rule, grade: str) -> Outcome:
    """Every file has the hash that the manifest says, and the manifest that of the chain's end."""
    limit, source = "0 files missing, changed, unsafe or unlisted; root = head of the chain", f"{MANIFEST}: files, root_sha256"
    if case.manifest is None:
        return cannot_tell(case.faults.get(MANIFEST, f"there is no {MANIFEST}"), source=source, limit=limit)
    counts = {kind: sum(one.kind == kind for one in case.findings) for kind in (*BROKEN, "unsafe", "unreadable", "extra")}
    if case.findings:
        detail = some([f"{one.path}: {one.detail}" for one in case.findings])
        return Outcome(Verdict.FAIL, counts, limit, source, detail, contradiction=any(counts[kind] for kind in BROKEN))
    chain = None if case.evidence is None else case.evidence.chain
    if chain is None or not chain.events:
        return cannot_tell(f"there is no {FOLDER}/chain.json whose head the root of the manifest could be", source=source, limit=limit)
    if case.manifest.get("root_sha256") != chain.head_sha256:
        detail = f"the root of the manifest is not the head of the chain, {chain.head_sha256[:16]}..."
        return Outcome(Verdict.FAIL, counts, limit, source, detail, contradiction=True)
    if chain.events[-1].kind != FILES:
        return Outcome(Verdict.FAIL, counts, limit, source, "the chain does not end with the hashes of the files")
    rehashed, unbound = parted(case.manifest, chain.events[-1].data)
    detail = some(
        [f"{path} is not the file that the chain holds" for path in rehashed] + [f"{path} is not in the chain" for path in unbound]
    )
    verdict = Verdict.FAIL if rehashed or unbound else Verdict.PASS
    return Outcome(verdict, {**counts, "rehashed": len(rehashed), "unbound": len(unbound)}, limit, source, detail, bool(rehashed))


def parted(manifest: Mapping[str, Any], bound: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(files of the chain that the manifest has with another hash or not at all, files of the manifest that the chain lacks)."""
    entries = manifest.get("files")
    listed = {str(e.get("path")): e.get("sha256") for e in entries if isinstance(e, Mapping)} if isinstance(entries, list) else {}
    chained = {f"{FOLDER}/{path}": sha256 for path, sha256 in bound.items()}
    rehashed = [path for path, sha256 in chained.items() if listed.get(path) != sha256]
    return rehashed, [path for path in listed if path not in chained and path not in UNBOUND]


def int_2(case: Case, rule: Rule, grade: str) -> Outcome:
    """Every number on the card, and in the summary, comes out again."""
    most = rule.limit(grade, "rel")
    limit, source = f"relative difference <= {most:g}, whole numbers equal", f"{FOLDER}/card.json, {SUMMARY}"
    if case.card is None:
        return cannot_tell(f"there is no {FOLDER}/card.json: nothing is claimed", source=source, limit=limit)
    if case.rebuilt is None:
        return cannot_tell(f"the card cannot be made again: {case.unbuildable}", source=source, limit=limit)
    if not (found := differences(case.card, case.rebuilt, name="card")):
        return cannot_tell(f"{FOLDER}/card.json claims no figure", source=source, limit=limit)
    if (flat := case.documents.get(SUMMARY)) is not None:
        found += differences(flat, summary(case.rebuilt), name="energy_summary")
    beyond = [one for one in found if one.beyond(most)]
    worst = max(found, key=lambda one: (one.beyond(most), 2.0 if one.rel is None else one.rel), default=None)
    measured = {"numbers": len(found), "beyond": len(beyond), "worst_rel": None if worst is None else worst.rel, **at(worst)}
    if not beyond:
        level = case.card.get("level")
        return Outcome(Verdict.PASS, measured, limit, source, f"the card claims level {level}, which counts for nothing" if level else "")
    known = any(one.known for one in beyond)  # whatever edition the bundle names: to leave it out excuses nothing
    return Outcome(Verdict.FAIL, measured, limit, source, some([one.text for one in beyond]), contradiction=known)


def at(worst: Difference | None) -> dict[str, str]:
    """Where the worst difference is."""
    return {} if worst is None else {"worst": worst.path}


def int_3(case: Case, rule: Rule, grade: str) -> Outcome:
    """The bundle names an edition of the rules that was published."""
    limit, source = f"one of {', '.join(versions())}", f"{FOLDER}/collection.json: rule_set"
    if case.evidence is None or case.evidence.rule_set is None:
        return cannot_tell("no rule_set: the bundle does not say which edition it follows", source=source, limit=limit)
    pinned = case.evidence.rule_set
    claimed = None if case.card is None else case.card.get("rule_set")
    if claimed not in (None, pinned):
        return Outcome(Verdict.FAIL, pinned, limit, source, f"the card says {str(claimed)[:40]!r}")
    return judged(pinned in versions(), measured=pinned, limit=limit, source=source)


def int_4(case: Case, rule: Rule, grade: str) -> Outcome:
    """Every document names a known schema and fits it, and every file could be read."""
    limit, source = "0 files that are unknown, unfit or unreadable", f"{FOLDER}/*: schema"
    if not case.documents:
        return cannot_tell("there is no document of a bundle", source=source, limit=limit)
    wrong = [f"{path}: {reason}" for path, reason in case.faults.items()]
    for path, data in case.documents.items():
        told = data.get("es", {}) if path == SUMMARY else data
        name = told.get("schema") if isinstance(told, Mapping) else None
        if not isinstance(name, str) or name not in schemas():
            wrong.append(f"{path}: schema {str(name)[:40]!r} is not known")
        elif path not in case.faults and path != SUMMARY and (reason := unfit(name, data)):
            wrong.append(f"{path}: {reason}")
    measured = {"documents": len(case.documents), "wrong": len(wrong)}
    return judged(not wrong, measured=measured, limit=limit, source=source, detail=some(wrong))


def int_5(case: Case, rule: Rule, grade: str) -> Outcome:
    """Agent and collector say their version and the digest of their source."""
    limit, source = "agent and collector, each with version and sha256 of its source", f"{FOLDER}/nodes.json: builds"
    builds = case.nodes.builds
    if not builds:
        return cannot_tell("no builds: nobody says which programs took part", source=source, limit=limit)
    roles = Counter(one.role for one in builds)
    wrong = [f"there is no build of the {role}" for role in ("agent", "collector") if not roles[role]]
    wrong += [f"{b.role} on {b.host or '?'} lacks a version" for b in builds if not b.version]
    wrong += [f"{b.role} on {b.host or '?'}: source_sha256 is no sha256" for b in builds if not SHA256.fullmatch(b.source_sha256)]
    return judged(not wrong, measured=len(builds), limit=limit, source=source, detail=some(wrong))


def int_6(case: Case, rule: Rule, grade: str) -> Outcome:
    """No meter is simulated, a replay, a fake or a constant, nor is one of an alignment; the bundles of the conformance kit say that all
    of theirs are.
    """
    limit, source = "0 meters that measure nothing", f"{FOLDER}/meters.json, {FOLDER}/calibration/meters.json: simulated, kind; readings"
    if case.evidence is None or not case.evidence.series:
        return cannot_tell("there are no meters", source=source, limit=limit)
    series = (*case.evidence.series, *(meter for one in case.evidence.alignments for meter in (one.sensor, one.reference)))
    if case.kit:
        real = [one.meter.meter_id for one in series if not one.meter.simulated]
        detail = some([f"{meter_id} of a kit bundle does not say simulated" for meter_id in real]) or "every meter is simulated (kit)"
        return judged(not real, measured={"meters": len(series), "real": len(real)}, limit=f"{limit} (kit)", source=source, detail=detail)
    wrong = [f"{one.meter.meter_id} {reason}" for one in series for reason in pretended(one)]
    wrong += [
        f"{c['outer']} holds less than {c['inner']} in {c['phase']}" for c in (case.rebuilt or {}).get("closure", ()) if c["holds"] is False
    ]
    return judged(not wrong, measured={"meters": len(series), "wrong": len(wrong)}, limit=limit, source=source, detail=some(wrong))


def pretended(series: Series) -> Iterator[str]:
    """Why a meter measures nothing, or is not the one that its certificate is of."""
    meter = series.meter
    if meter.simulated:
        yield "is simulated"
    if meter.kind in NO_METERS:
        yield f"is of kind {meter.kind}" + ("" if meter.simulated else ", flagged real")
    if meter.kind == "ptdaemon" and "dummy" in f"{meter.model} {meter.note}".lower():
        yield "is the dummy analyser of PTDaemon (device type 0)"
    if meter.kind == "exec" and meter.quantity.measures_energy and constant(series):
        yield "is a command that prints a constant"
    if meter.certificate is not None and meter.certificate.serial != meter.serial:
        yield f"has serial {meter.serial or '?'}, and a certificate of {meter.certificate.serial or '?'}"


def constant(series: Series) -> bool:
    """Whether all readings of a meter are one value, in two readings or more."""
    values = series.integrable().value
    return len(values) > 1 and bool((values == values[0]).all())


def int_8(case: Case, rule: Rule, grade: str) -> Outcome:
    """No meter complains of an error, of its uncertainty or of its range in a measured phase."""
    late_s = rule.limit(grade, "late_s")
    limit = f"0 errors, uncertainty and over-range warnings from begin until {late_s:g} s after end of a measured phase"
    source = f"{FOLDER}/meter_log.json: messages"
    log = None if case.evidence is None else case.evidence.meter_log
    if log is None or not case.measured:
        detail = "there is no measured phase" if log is not None else f"there is no {FOLDER}/meter_log.json: nobody listened to the meters"
        return cannot_tell(detail, source=source, limit=limit)
    unheard = [one.meter.meter_id for one in case.headline if one.meter.meter_id not in log.heard]
    spans = [(window.begin_ns, window.end_ns + round(late_s * 1e9)) for window in case.measured]
    during = [m for m in log.messages if any(begin_ns <= m.t_ns <= end_ns for begin_ns, end_ns in spans)]
    fatal = [m for m in during if m.complaint.fatal]
    measured = {"fatal": len(fatal), "gaps": len(during) - len(fatal)}
    if fatal:
        detail = some([f"{m.meter_id} at {m.t_ns} ns: {m.complaint}, {m.text[:80]}" for m in fatal])
        return Outcome(Verdict.FAIL, measured, limit, source, detail)
    if unheard or not case.headline:
        detail = f"nobody listened to {some(unheard)}" if unheard else "no meter leads to the headline figure"
        return cannot_tell(detail, source=f"{FOLDER}/meter_log.json: heard", limit=limit)
    return Outcome(Verdict.PASS, measured, limit, source)


def int_9(case: Case, rule: Rule, grade: str) -> Outcome:
    """Every number has its unit in its name, or stands in the list of those that need none."""
    limit, source = "0 numbers without a unit in their name", f"{FOLDER}/*.json"
    if not case.documents:
        return cannot_tell("there is no document of a bundle", source=source, limit=limit)
    found = sorted({path for name, data in case.documents.items() for path in nameless(data, path=name)})
    return judged(not found, measured=len(found), limit=limit, source=source, detail=some(found))


def some(things: list[str]) -> str:
    """The first few, and how many more there are."""
    more = f"; and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return "; ".join(things[:SHOWN]) + more


CHECKS: Final[Mapping[str, Check]] = {
    "INT-1": int_1,
    "INT-2": int_2,
    "INT-3": int_3,
    "INT-4": int_4,
    "INT-5": int_5,
    "INT-6": int_6,
    "INT-7": int_7,
    "INT-8": int_8,
    "INT-9": int_9,
}
