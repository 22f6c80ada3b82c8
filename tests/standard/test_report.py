"""The report for people: what stands in the way, and on what that rests."""

from __future__ import annotations

from joulemark.standard.edition import Rule
from joulemark.standard.report import LINE, shown, text
from joulemark.standard.validator import Judged, Report
from joulemark.standard.verdict import Outcome, Verdict

PASS = Outcome(Verdict.PASS)
FAIL = Outcome(Verdict.FAIL, {"gap_s": 12.5, "count": 3, "where": None}, "<= 3 s", "readings/x.csv", "the switch was off")


def rule(rule_id: str) -> Rule:
    decides = "cost card" if rule_id.startswith("PRC") else "level"
    return Rule(rule_id, f"text of {rule_id}", "must", "must", "data", "why", "how", decides=decides)


def report(**outcomes: tuple[Outcome, Outcome]) -> Report:
    judged = tuple(Judged(rule(name.replace("_", "-")), {"ES1": es1, "ES2": es2}) for name, (es1, es2) in outcomes.items())
    return Report("1.0", judged, faults={"energy/x.csv": "no reading"})


def test_each_rule_in_the_way_says_value_limit_reason_and_source() -> None:
    """Measured value, limit, detail and source of a failing rule stand below it; what was not read is named, and all is counted."""
    told = text(report(SMP_3=(FAIL, FAIL), SMP_4=(PASS, FAIL)))
    lines = told.splitlines()
    assert lines[:3] == ["ES0: informative, not ranked (edition 1.0)", "in the way of ES1: SMP-3", "SMP-3   fail in ES1: text of SMP-3"]
    for words in ("gap_s 12.5, count 3, where unknown", "<= 3 s", "the switch was off", "readings/x.csv", "not read: energy/x.csv"):
        assert words in told
    assert "in the way of ES2 besides: SMP-4" in told
    assert lines[-2:] == [
        "ES1: 2 rules, 1 pass, 1 fail, 0 warn, 0 n/a, 0 cannot tell",
        "ES2: 2 rules, 0 pass, 2 fail, 0 warn, 0 n/a, 0 cannot tell",
    ]


def test_a_contradiction_is_called_one() -> None:
    """INVALID names the rule even where no level was asked for."""
    false = Outcome(Verdict.FAIL, None, "", "", "", contradiction=True)
    assert "INT-2   fail in ES1, a contradiction: text of INT-2" in text(report(INT_2=(false, false)))


def test_nothing_in_the_way_is_said_shortly() -> None:
    """The highest level has no list, but its counts."""
    assert text(Report("1.0", (Judged(rule("SMP-3"), {"ES1": PASS, "ES2": PASS}),))).splitlines()[0] == "ES2: metered (edition 1.0)"
    assert len(text(Report("1.0", (Judged(rule("SMP-3"), {"ES1": PASS, "ES2": PASS}),))).splitlines()) == 3


def test_prices_are_told_apart() -> None:
    """A price that fails stands in no way of a level, and is said beside it."""
    told = text(report(PRC_1=(FAIL, FAIL)))
    assert told.startswith("ES2: ")
    assert "beside the level: PRC-1 (cost card)" in told


def test_values_are_short() -> None:
    """Floats are printed with six digits; what is not known is said to be unknown, never 0."""
    assert shown(1.23456789) == "1.23457"
    assert shown({"a": None, "b": 0}) == "a unknown, b 0"
    assert shown(None) == ""


def test_a_report_fits_a_terminal() -> None:
    """However many rules stand in the way and however long the reason: no line is wider than 100 columns, and no word is lost."""
    wide = Outcome(Verdict.CANNOT_TELL, None, "limit " * 40, "energy/nodes.json", "a reason of many words, " * 20)
    told = text(report(**{f"SMP_{n}": (wide, wide) for n in range(1, 90)}))
    assert max(map(len, told.splitlines())) <= LINE == 100
    assert told.split().count("reason") == 20 * 89
    assert "SMP-89" in told.split("SMP-1   ")[0]
