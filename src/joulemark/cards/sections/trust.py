"""How well it is known: the uncertainty budget, meters with their alignment, clocks."""

from __future__ import annotations

from joulemark.cards import figures
from joulemark.cards.figures import Place, absent, number, rounded, value
from joulemark.cards.sections.layout import MOST, facts, table, words
from joulemark.markup import Markup, joined, tag

MOST_BUDGETS = 6


def uncertainty(card: Place) -> Markup:
    """The budget of the score, else of each phase that counts; what is not known is named first."""
    score = card["score"]
    if score.value is not None:
        head = [
            ("combined, u", rounded(score["u_c_rel"], "#.3g", "%", scale=100.0)),
            ("coverage factor, k", rounded(score["k"], ".4g")),
            ("expanded, U95", rounded(score["u95_rel"], "#.3g", "%", scale=100.0)),
            ("scatter of repetitions, CV", rounded(score["cv_rel"], "#.3g", "%", scale=100.0)),
        ]
        return joined([facts(head, look="tiles"), budget("the score", score["components"], "u_rel", "%", 100.0), repetitions(score)])
    found = [phase for phase in card["phases"] if phase["name"].value in card["headline"]["phases"].value]
    parts = [of_phase(phase) for phase in found[:MOST_BUDGETS]]
    more = tag("p", "The budgets of the other phases stand in the JSON.", class_="note soft") if len(found) > len(parts) else None
    return joined([*parts, more])


def of_phase(phase: Place) -> Markup:
    """The budget of one phase."""
    name = phase["name"].value
    if phase["uncertainty"].value is None:
        return tag("p", f"{name}: ", absent("without energy there is no budget"))
    return budget(name, phase["uncertainty"]["components"], "u_j", "J", None)


def repetitions(score: Place) -> Markup:
    """What each repetition came to."""
    rows = [
        (
            one["phase"].value,
            rounded(one["joules_per_1k_output_tokens"], ".6g", "J"),
            "counts" if one["kept"].value else "left out: the lowest or the highest",
        )
        for one in score["repetitions"]
    ]
    return joined([tag("h3", "Repetitions"), table("J per 1k output tokens.", ("phase", "value", ""), rows, numbers=(1,))])


def budget(what: str, lines: Place, key: str, unit: str, scale: float | None) -> Markup:
    """The standard uncertainties as bars, the unknown ones first, then the largest; those that are zero with the reason below."""
    ordered = sorted(lines, key=lambda line: (line[key].value is not None, -(line[key].value or 0.0)))
    largest = max((line[key].value or 0.0 for line in ordered), default=0.0)
    rows = [
        (
            joined([words(line["name"].value), tag("div", line["source"].value, class_="note soft")]),
            rounded(line[key], "#.3g", unit, scale=scale),
            bar(line[key].value, largest),
            line["distribution"].value,
            "\N{INFINITY}" if line["dof"].value is None else rounded(line["dof"], ".3g"),
        )
        for line in ordered
        if line[key].value != 0.0
    ]
    heads = ("component", "u", "", "distribution", "dof")
    shown = table(f"Standard uncertainties of {what}, the largest first.", heads, rows, numbers=(1, 4))
    zero = [(words(line["name"].value), line["source"].value) for line in ordered if line[key].value == 0.0]
    below = tag("details", tag("summary", "Components that are zero, and why"), facts(zero)) if zero else None
    return joined([tag("h3", f"Components of {what}"), shown, below])


def bar(found: float | None, largest: float) -> Markup:
    """A bar as long as the share of the largest; an empty frame where the component is not known."""
    width = 200.0 if found is None else 200.0 * found / largest if largest else 0.0
    shape = tag("rect", x=0, y=1, width=f"{width:.1f}", height=10, class_="void" if found is None else "full")
    return tag("svg", shape, viewBox="0 0 200 12", preserveAspectRatio="none", class_="bar", aria_hidden="true")


def meters(found: Place) -> Markup:
    """Each meter that counts with its accuracy, certificate and alignment; the others by name."""
    used = [meter for meter in found if meter["used"].value]
    others = [meter["meter_id"].value for meter in found if not meter["used"].value]
    parts: list[object] = [[tag("h3", meter["meter_id"].value), facts(of_meter(meter))] for meter in used[:MOST]]
    if others:
        parts.append(tag("p", f"Read and not counted: {', '.join(others[:MOST])}.", class_="note soft"))
    return joined(parts)


def of_meter(meter: Place) -> list[tuple[str, object]]:
    """What is known of one meter."""
    named = " ".join(str(meter[key].value) for key in ("vendor", "model", "firmware") if meter.value.get(key)) or meter["kind"].value
    listed = meter["whitelist"]
    return [
        ("device", f"{named}, {meter['current'].value}, {words(meter['boundary'].value)}"),
        ("readings", joined([value(meter["readings"]), ", of them gaps: ", value(meter["gaps"])])),
        ("accuracy", accuracy(meter["accuracy"]) if meter.value.get("accuracy") else none("the meter states none")),
        ("certificate", certificate(meter["certificate"]) if meter.value.get("certificate") else none("none was given")),
        ("whitelist", f"{listed['status'].value}, driver {listed['driver_tier'].value}"),
        ("alignment", none("none was applied") if meter["alignment"].value is None else aligned(meter["alignment"])),
    ]


def none(text: str) -> Markup:
    """What a reader has to miss."""
    return tag("span", text, class_="absent")


def accuracy(found: Place) -> Markup:
    """The limit of error as its formula, and where that comes from."""
    terms: list[object] = []
    for key, unit in (("pct_reading", "% of reading"), ("pct_range", "% of range"), ("abs_w", "W")):
        if found.value.get(key):
            terms += [" + " if terms else "", rounded(found[key], ".6g", unit)]
    span = [", range ", rounded(found["range_w"], ".6g", "W")] if found.value.get("range_w") else []
    return joined([*(terms or ["no formula"]), *span, f"; {found['source'].value}" if found.value.get("source") else None])


def certificate(found: Place) -> Markup:
    """Who calibrated it, when, and with what uncertainty."""
    parts = [found[key].value for key in ("laboratory", "date") if found.value.get(key)]
    u95 = [", U95 ", rounded(found["u95_rel"], "#.3g", "%", scale=100.0)] if found.value.get("u95_rel") is not None else []
    return joined([", ".join(parts), *u95])


def aligned(found: Place) -> Markup:
    """The correction that was applied, and how old it was."""
    gain = [
        rounded(found["gain"], ".6g"),
        ", offset ",
        rounded(found["offset_w"], ".4g", "W"),
        ", lag ",
        rounded(found["lag_s"], ".4g", "s"),
    ]
    return joined([f"{found['alignment_id'].value}: gain ", *gain, ", made ", rounded(found["age_days"], ".3g", "days"), " before the run"])


def clocks(card: Place) -> Markup:
    """Whose time it is, and how well each host kept it."""
    steps = card["clock_steps"]
    jumps = joined([figures.count(steps), " jumps of a clock during the run."]) if len(steps) else "No clock jumped during the run."
    said = tag("p", f"Clock of the phases: {card['clock'].value}. ", jumps)
    if not len(card["clocks"]):
        return joined([said, tag("p", absent("no host told the state of its clock"))])
    rows = [
        (host.key, *(state(host, key) for key in ("role", "discipline", "applied_offset_ns", "widest_bound_ns"))) for host in card["clocks"]
    ]
    heads = ("host", "role", "kept by", "offset", "bound")
    return joined([said, table("Clocks of the hosts against the collector's.", heads, rows, numbers=(3, 4))])


def state(host: Place, key: str) -> Markup:
    """One property of a clock; times in milliseconds."""
    if host.value.get(key) in (None, ""):
        return absent()
    return number(host[key], f"{host[key].value * 1e-6:.4g}", "ms", scale=1e-6) if key.endswith("_ns") else value(host[key])
