"""The bench as a page of Markdown: goal, limit, figure, what the prototype reached, met."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.bench.engine.known import MISSED

HEAD = "| # | goal | limit | figure | prototype | beside it in the same run | met | load |\n|---|---|---|---|---|---|---|---|\n"


def shown(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def row(goal: dict[str, Any]) -> str:
    """One line of the table."""
    sign = "≥" if goal["at_least"] else "≤"
    met = "not run" if goal["not_run"] else "yes" if goal["met"] else "**no**"
    cells = [
        goal["id"],
        goal["what"],
        f"{sign} {shown(goal['limit'])} {goal['unit']}",
        "-" if goal["not_run"] else f"{shown(goal['figure'])} {goal['unit']}",
        goal["prototype"] or "-",
        goal["not_run"] or goal["beside"] or "-",
        met,
        f"{goal['load_before']:.1f}",
    ]
    return f"| {' | '.join(cells)} |\n"


def line(goal: dict[str, Any]) -> str:
    """The same for a terminal."""
    sign = "at least" if goal["at_least"] else "at most"
    if goal["not_run"]:
        return f"{goal['id']:<4} not run: {goal['not_run']}: {goal['what']}"
    met = "met" if goal["met"] else "MISSED"
    said = f" ({goal['beside']})" if goal["beside"] else ""
    return f"{goal['id']:<4} {met:<6} {shown(goal['figure'])} {goal['unit']}, {sign} {shown(goal['limit'])}: {goal['what']}{said}"


def text(found: Sequence[dict[str, Any]], where: dict[str, Any], scale: str) -> str:
    """The page of a run."""
    head = f"# Goals of the engine\n\nRun of {where['at']} at scale `{scale}` on {where['cores']} cores of {where['processor']}, "
    head += f"Python {where['python']}, SQLite {where['sqlite']}. `x` is a ratio within the run; load is the mean of the minute before.\n\n"
    why = "".join(
        f"- {goal['id']}: {MISSED[goal['id']]}\n" for goal in found if not (goal["met"] or goal["not_run"]) and goal["id"] in MISSED
    )
    return head + HEAD + "".join(row(goal) for goal in found) + (f"\nMissed, and known to be:\n\n{why}" if why else "")
