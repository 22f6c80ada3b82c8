"""Rules UNC: every figure has its uncertainty, whole, recomputed, small enough, and shown as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from joulemark.energy.uncertainty import NAMES, displayed
from joulemark.standard import claims
from joulemark.standard.case import Case
from joulemark.standard.checks.base import Check
from joulemark.standard.edition import Rule
from joulemark.standard.ranking import Entry, ranks
from joulemark.standard.verdict import Outcome, cannot_tell, judged, not_applicable

CARD: Final = "energy/card.json"
RANKS: Final = "ranks.json"
"""Beside the folder `energy`: tables are made after the runs that stand in them."""

OF_A_LINE: Final = ("name", "u_j", "distribution", "dof", "correlation_group", "source")
"""What UNC-1 wants of each component; `dof` null is infinite."""


def whole_budget(case: Case, rule: Rule, grade: str) -> Outcome:
    """UNC-1: in the budget of every measured phase each of the components is known, and the card states each of them whole."""
    wanted = int(rule.limit(grade, "components_min"))
    limit, source = f"{wanted} components, none unknown", f"{CARD} phases[].uncertainty.components[]"
    if not case.measured or case.card is None:
        return cannot_tell("there is no measured phase" if case.card is not None else "there is no card", source=source, limit=limit)
    known: list[int] = []
    said: list[str] = []
    for window in case.measured:
        budget = case.figures(window).get("uncertainty")
        if budget is None:
            return cannot_tell(f"{window.name}: no budget can be made; {reason(case)}", source=source, limit=limit)
        said += [f"{window.name}: {line['source']}" for line in budget["components"] if line["u_j"] is None]
        stated = lines(claims.phase(case.card, window.name, window.begin_ns))
        known.append(sum(line["u_j"] is not None and line["name"] in stated for line in budget["components"]))
        if absent := [name for name in NAMES if name not in stated]:
            said.append(f"{window.name}: the card does not state {', '.join(absent)} whole")
    return judged(min(known) >= wanted, measured={"components": min(known)}, limit=limit, source=source, detail="; ".join(said))


def lines(phase: Mapping[str, Any]) -> set[str]:
    """Names of the components that a phase of a card states with all that belongs to them."""
    budget = phase.get("uncertainty")
    stated = budget.get("components") if isinstance(budget, Mapping) else None
    entries = [line for line in stated if isinstance(line, Mapping)] if isinstance(stated, list) else []
    return {
        str(line["name"]) for line in entries if set(OF_A_LINE) <= set(line) and claims.number(line["u_j"]) is not None and line["source"]
    }


def recomputed(case: Case, rule: Rule, grade: str) -> Outcome:
    """UNC-2: the expanded uncertainties that the card states are those that follow from the evidence."""
    most = rule.limit(grade, "within_rel")
    limit, source = f"within {most:.0%}", f"{CARD} u95_j against the evidence"
    if case.card is None or case.rebuilt is None:
        return cannot_tell("there is no card" if case.card is None else reason(case), source=source, limit=limit)
    off: dict[str, float] = {}
    for what, stated, ours in stated_u95(case.card, case.rebuilt):
        if ours is None:
            return cannot_tell(f"{what}: no uncertainty can be computed", source=source, limit=limit)
        if stated is None:
            return cannot_tell(f"{what}: the card states no uncertainty", source=source, limit=limit)
        off[what] = abs(stated / ours - 1.0) if ours else float(stated != 0.0)
    worst = max(off, key=lambda what: off[what])
    return judged(off[worst] <= most, measured={"difference_rel": off[worst], "of": worst}, limit=limit, source=source)


def stated_u95(card: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> Iterator[tuple[str, float | None, float | None]]:
    """(what, U95 on the card, U95 of the evidence) of the headline, the score and every phase whose energy is known."""
    yield "headline", claims.number(claims.part(card, "headline").get("u95_j")), rebuilt["headline"]["u95_j"]
    if rebuilt["score"] is not None:
        yield "score", claims.number(claims.part(card, "score").get("u95_j")), rebuilt["score"]["u95_j"]
    for phase in rebuilt["phases"]:
        if phase["energy_j"] is not None:
            yield phase["name"], claims.number(claims.phase(card, phase["name"], phase["begin_ns"]).get("u95_j")), phase["u95_j"]


def small_enough(case: Case, rule: Rule, grade: str) -> Outcome:
    """UNC-3: the score of the repetitions, or of fewer than three the headline, is known well enough in J per 1k output tokens."""
    most = rule.limit(grade, "u95_rel_max")
    limit = f"U95 <= {most:.0%} of J per 1k output tokens"
    if case.rebuilt is None:
        return cannot_tell(reason(case), source=CARD, limit=limit)
    score, head = case.rebuilt["score"], case.rebuilt["headline"]
    if score is not None:
        source, u95_rel, missing = "score.u95_rel, recomputed", score["u95_rel"], score["missing"]
        k, nu_eff = score["k"], score["nu_eff"]
    else:
        value, u95 = head["joules_per_1k_output_tokens"], head["joules_per_1k_output_tokens_u95"]
        source, u95_rel, missing = "headline.joules_per_1k_output_tokens_u95, recomputed", u95 / value if value and u95 else None, []
        k, nu_eff = None, None
    missing = list(missing) or head["uncertainty_missing"]
    if u95_rel is None:
        return cannot_tell("the joules per 1k output tokens, or their uncertainty, are not known", source=source, limit=limit)
    measured = {"u95_rel": u95_rel, "k": k, "nu_eff": nu_eff}
    if missing and u95_rel <= most:
        return cannot_tell(f"not known: {', '.join(missing)}; what is known comes to {u95_rel:.2%}", source=source, limit=limit)
    return judged(u95_rel <= most, measured=measured, limit=limit, source=source)


def ranked(case: Case, rule: Rule, grade: str) -> Outcome:
    """UNC-4: a table that the bundle carries gives entries the ranks that their uncertainties allow."""
    table = case.documents.get(RANKS)
    if table is None:
        if RANKS in case.faults:
            return cannot_tell(case.faults[RANKS], source=RANKS)
        return not_applicable("a bundle by itself has no rank; tables are judged where they are made", source=RANKS)
    given = table.get("entries")
    rows = [row for row in given if isinstance(row, Mapping)] if isinstance(given, list) else []
    figures = [(claims.number(row.get("value")), claims.number(row.get("u95")), claims.number(row.get("rank"))) for row in rows]
    if not figures or not isinstance(given, list) or len(rows) < len(given) or any(None in row for row in figures):
        return cannot_tell("entries of the table lack value, u95 or rank", source=f"{RANKS} entries[]")
    ours = ranks([Entry(value or 0.0, u95 or 0.0) for value, u95, _ in figures])
    wrong = [place for place, ((_, _, stated), rank) in enumerate(zip(figures, ours, strict=True)) if stated != rank]
    said = [f"entry {place + 1} has rank {figures[place][2]:g}, {ours[place]} follows" for place in wrong[:3]]
    measured = {"entries": len(rows), "wrong": len(wrong)}
    return judged(not wrong, measured=measured, limit=rule.text, source=f"{RANKS} entries[].rank", detail="; ".join(said))


def shown_as_known(case: Case, rule: Rule, grade: str) -> Outcome:
    """UNC-5: what the card shows people follows from what it stores, and what it stores was not rounded."""
    most = rule.limit(grade, "stored_rel")
    source, limit = f"{CARD} display", f"two digits of U, value to match; stored within {most:g} of the evidence"
    if case.card is None or case.rebuilt is None:
        return cannot_tell("there is no card" if case.card is None else reason(case), source=source, limit=limit)
    count, said = 0, []
    for what, block, ours in blocks(case.card, case.rebuilt):
        for key, u95_key, shown in figures_shown(block):
            count += 1
            value, u95 = claims.number(block.get(key)), claims.number(block.get(u95_key))
            if value is None or u95 is None:
                said.append(f"{what}: {key} is shown, and not stored with its uncertainty")
            elif (shown.get("value"), shown.get("u95")) != displayed(value, u95):
                texts = f"{shown.get('value')} +- {shown.get('u95')}"
                said.append(f"{what}: {key} is shown as {texts}, not as {' +- '.join(displayed(value, u95))}")
            elif (exact := claims.number(ours.get(key))) is not None and abs(value - exact) > most * abs(exact):
                said.append(f"{what}: {key} is stored as {value!r}, the evidence gives {exact!r}")
    if not count:
        return cannot_tell("the card shows no figure with its uncertainty", source=source, limit=limit)
    return judged(not said, measured={"shown": count, "wrong": len(said)}, limit=limit, source=source, detail="; ".join(said[:3]))


def blocks(card: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """(what, block of the card, the same of the evidence) of all that shows figures."""
    yield "headline", claims.part(card, "headline"), rebuilt["headline"]
    yield "score", claims.part(card, "score"), rebuilt["score"] or {}
    for phase in rebuilt["phases"]:
        yield phase["name"], claims.phase(card, phase["name"], phase["begin_ns"]), phase


def figures_shown(block: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(key of the figure, key of its uncertainty, its texts) of a block; the score shows one figure alone."""
    display = claims.part(block, "display")
    if "value" in display:
        yield "joules_per_1k_output_tokens", "u95_j", display
        return
    for key, shown in display.items():
        if isinstance(shown, Mapping):
            yield key, "u95_j" if key == "energy_j" else f"{key}_u95", shown


def reason(case: Case) -> str:
    """Why the card cannot be made anew."""
    return case.unbuildable or "the evidence gives no figure for it"


CHECKS: Final[Mapping[str, Check]] = {
    "UNC-1": whole_budget,
    "UNC-2": recomputed,
    "UNC-3": small_enough,
    "UNC-4": ranked,
    "UNC-5": shown_as_known,
}
