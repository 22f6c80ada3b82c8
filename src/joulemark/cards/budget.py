"""The uncertainty budget for people: one line per component of a phase or of the score, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from joulemark.energy.uncertainty import displayed

HEAD: Final = ("component", "distribution", "dof", "u", "share", "group", "source")
NUMERIC: Final = ("dof", "u", "share")


def of_card(card: Mapping[str, Any]) -> str:
    """The budgets of the measured phases of a card and of its score."""
    phases = [phase for phase in card["phases"] if phase["name"] in card["headline"]["phases"]]
    blocks = [table(phase) for phase in phases]
    return "\n\n".join([*blocks, of_score(card["score"])] if card["score"] is not None else blocks)


def table(phase: Mapping[str, Any]) -> str:
    """The budget of one phase of `joulemark.compute/1`: every component with its u in J and its share of the variance."""
    budget, energy_j = phase["uncertainty"], phase["energy_j"]
    if budget is None or energy_j is None:
        return f"{phase['name']}: no budget, the energy is not known"
    rows = [{**line, "u": line["u_j"]} for line in budget["components"]]
    return drawn(phase["name"], energy_j, budget["u95_j"], "J", rows, budget)


def of_score(score: Mapping[str, Any]) -> str:
    """The budget of the score, in J per 1k output tokens."""
    value = score["joules_per_1k_output_tokens"]
    lines = score["components"]
    variance = sum((line["u_rel"] or 0.0) ** 2 for line in lines)
    rows = [
        {
            **line,
            "u": None if line["u_rel"] is None else line["u_rel"] * abs(value),
            "share": (line["u_rel"] or 0.0) ** 2 / variance if variance else 0.0,
        }
        for line in lines
    ]
    return drawn(f"score, {score['method']} of {score['count']}", value, score["u95_j"], "J per 1k output tokens", rows, score)


def drawn(name: str, value: float, u95: float, unit: str, rows: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]) -> str:
    """Head, lines in columns, and the sum; `rows` have `u` in `unit`."""
    shown, u95_text = displayed(value, u95)
    cells = [HEAD, *(texts(row) for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(HEAD) - 1)]
    lines = [f"{name}: {shown} +- {u95_text} {unit}"]
    for row in cells:
        columns = zip(HEAD, row, widths, strict=False)
        padded = [cell.rjust(width) if column in NUMERIC else cell.ljust(width) for column, cell, width in columns]
        lines.append("  ".join(["", *padded, row[-1]]).rstrip())
    nu = "infinite" if totals["nu_eff"] is None else f"{totals['nu_eff']:g}"
    u_c = u95 / totals["k"]
    relative = "" if totals["u95_rel"] is None else f" ({totals['u95_rel']:.3%})"
    lines.append(f"  u_c {u_c:.5g}, nu_eff {nu}, k {totals['k']:.4g}, U95 {u95:.5g} {unit}{relative}")
    if totals["missing"]:
        lines.append(f"  not known, and so not in it: {', '.join(totals['missing'])}")
    return "\n".join(lines)


def texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of one component."""
    u = "not known" if row["u"] is None else "0" if row["u"] == 0.0 else f"{row['u']:.4g}"
    dof = "inf" if row["dof"] is None else f"{row['dof']:g}"
    share = "" if row["u"] is None else f"{row['share']:.1%}"
    return (row["name"], row["distribution"], dof, u, share, row.get("correlation_group") or "-", row["source"])
