"""Rules REP: how often it was measured, and the score that all repetitions together come to, none of them chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from joulemark.chain import MARK
from joulemark.request_log import tallies
from joulemark.runs import PhaseKind, Window
from joulemark.standard.case import Case
from joulemark.standard.checks.base import Check
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Outcome, cannot_tell, judged

NUMBER: Final = re.compile(r"(\d{1,6})$", re.ASCII)
PHASES: Final = "phases.json: phases"


def repeated(case: Case, rule: Rule, grade: str) -> Outcome:
    """REP-1: enough repetitions, each after a warm-up of its own."""
    least, where = rule.limit(grade, "repetitions"), f"{PHASES}[].kind"
    limit = f">= {least:g}, each with its own warmup"
    if case.run is None:
        return cannot_tell("there is no run", source=where, limit=limit)
    order = case.phases(PhaseKind.WARMUP, PhaseKind.MEASURED)
    cold = [w.name for before, w in zip((None, *order), order, strict=False) if w in case.measured and not warm(before)]
    measured = {"repetitions": len(case.measured), "without_warmup": len(cold)}
    detail = f"no warmup of its own: {', '.join(cold)}" if cold else ""
    return judged(len(case.measured) >= least and not cold, measured=measured, limit=limit, source=where, detail=detail)


def warm(before: Window | None) -> bool:
    """Whether the phase before a repetition, of warm-ups and repetitions, is a warm-up."""
    return before is not None and before.kind is PhaseKind.WARMUP


def scored(case: Case, rule: Rule, grade: str) -> Outcome:
    """REP-2: the score is made of every repetition that was begun, and is the one that the card claims."""
    where, share = "card.json: score, aborted; phases.json; chain.json; requests.csv", rule.limit(grade, "claim_rel")
    limit = f"median of 3 or 4, Olympic mean of 5 and more; no repetition left out; the claim within {share:g}"
    if case.run is None or case.rebuilt is None:
        return cannot_tell(case.unbuildable or "there is no run", source=where, limit=limit)
    lacking, reasons = order_of(case)
    score = case.rebuilt["score"]
    if score is None and len(case.measured) >= 3:
        lacking.append(case.rebuilt["score_reason"])
    elif score is None:
        reasons.append(case.rebuilt["score_reason"])
    lacking += [
        f"the energy of {one['phase']}, which was aborted, is not known" for one in case.rebuilt["aborted"] if one["energy_j"] is None
    ]
    reasons += claimed_otherwise(case, score, share)
    more, other = same_runs(case)
    lacking, reasons = lacking + more, reasons + other
    measured = {
        "method": None if score is None else score["method"],
        "score_j_per_1k": None if score is None else score["joules_per_1k_output_tokens"],
        "repetitions": len(case.measured),
        "aborted": len(case.rebuilt["aborted"]),
    }
    if lacking and not reasons:
        return cannot_tell("; ".join(lacking), source=where, limit=limit)
    return judged(not reasons, measured=measured, limit=limit, source=where, detail="; ".join(reasons))


def order_of(case: Case) -> tuple[list[str], list[str]]:
    """(what is missing to tell, what is wrong) about the repetitions that were begun: their numbers, and their marks in the chain."""
    begun = case.phases(PhaseKind.MEASURED)
    numbers = [int(found.group(1)) for window in begun if (found := NUMBER.search(window.name))]
    numbered = len(numbers) == len(begun)
    wrong = []
    if numbers and numbers != list(range(1, len(begun) + 1)):
        wrong.append(f"the repetitions are numbered {', '.join(map(str, numbers))} of {len(begun)}, not from 1 on without a gap")
    events = () if case.evidence is None else case.evidence.chain.of_kind(MARK)
    marked = [str(e.data.get("phase")) for e in events if e.data.get("kind") == str(PhaseKind.MEASURED) and e.data.get("edge") == "begin"]
    if marked and marked != [window.name for window in begun]:
        wrong.append(f"the chain saw {', '.join(marked)} begin, the run has {', '.join(window.name for window in begun)}")
    lacking = [] if marked or numbered else ["the repetitions have no numbers and the chain no marks: one may have been left out"]
    return lacking, wrong


def same_runs(case: Case) -> tuple[list[str], list[str]]:
    """(what is missing to tell, what is wrong) about the energy being that of the runs whose requests were counted."""
    requests = None if case.evidence is None or case.run is None else case.evidence.requests
    if requests is None or case.run is None:
        return ["requests.csv is missing: whether energy and performance are of the same runs cannot be seen"], []
    served, known = set(tallies(requests)), {window.name for window in case.run.windows}
    strange = sorted(served - known)
    idle = [window.name for window in case.measured if window.name not in served]
    wrong = [f"requests of {', '.join(strange)}, a phase that the run does not have"] if strange else []
    return [], wrong + ([f"no request in {', '.join(idle)}"] if idle else [])


def claimed_otherwise(case: Case, score: Mapping[str, Any] | None, share: float) -> list[str]:
    """Where the score on the card is another than the one that the repetitions come to."""
    claim = None if case.card is None else case.card.get("score")
    if not isinstance(claim, Mapping) or score is None:
        return []
    value, true = claim.get("joules_per_1k_output_tokens"), score["joules_per_1k_output_tokens"]
    same = isinstance(value, int | float) and abs(value / true - 1.0) <= share
    return [] if same and claim.get("method") == score["method"] else [f"the card claims {value} by {claim.get('method')}, not {true}"]


def scatter(case: Case, rule: Rule, grade: str) -> Outcome:
    """REP-3: the repetitions agree."""
    where, share = "card.json: score.cv_rel", rule.limit(grade, "cv_rel")
    limit = f"CV <= {share:g}"
    score = None if case.rebuilt is None else case.rebuilt["score"]
    if score is None:
        why = case.unbuildable if case.rebuilt is None else case.rebuilt["score_reason"]
        return cannot_tell(why, source=where, limit=limit)
    return judged(score["cv_rel"] <= share, measured={"cv_rel": score["cv_rel"]}, limit=limit, source=where)


CHECKS: Final[Mapping[str, Check]] = {"REP-1": repeated, "REP-2": scored, "REP-3": scatter}
