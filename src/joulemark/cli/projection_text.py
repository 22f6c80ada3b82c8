"""What `joulemark cost project` prints for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulemark.cli.cost_text import rounded, shown
from joulemark.energy.uncertainty import displayed


def projection_text(result: Mapping[str, Any]) -> str:
    """A year of each, what B saves, and when it has paid for itself."""
    per_query = "" if result["tokens_per_query"] is None else f" of {result['tokens_per_query']} output tokens"
    lines = [f"{result['queries_per_day']} queries a day{per_query}, a year of {result['days_per_year']} days"]
    for side in ("a", "b"):
        lines += [side.upper(), *(f"  {line}" for line in year_lines(result[side]))]
    return "\n".join([*lines, *saved_lines(result)])


def year_lines(year: Mapping[str, Any]) -> list[str]:
    """Energy, machines and costs of a year."""
    if year["energy_kwh"] is None:
        energy = "energy not known"
    elif year["energy_kwh_u95"] is None:
        energy = f"{year['energy_kwh']:.4g} kWh"
    else:
        value, u95 = displayed(year["energy_kwh"], year["energy_kwh_u95"])
        energy = f"{value} +- {u95} kWh"
    lines = [f"{energy} ({year['scope'] or 'scope undefined'}, {year['boundary']})"]
    owned = "owned" if year["owned"] else "rented"
    lines.append(f"{year['machines_busy']:.3g} machines busy all year, {year['machines']} {owned}")
    for name, label in (("market", "rent"), ("energy", "electricity"), ("running", "to run")):
        known = year[name]["amount"] is not None
        lines.append(f"{label}: {shown(year[name], year[name]['currency']) if known else 'not known: ' + year[name]['reason']}")
    return lines + ([f"to buy: {rounded(year['capex']['amount'])} {year['capex']['currency']}"] if year["capex"] else [])


def saved_lines(result: Mapping[str, Any]) -> list[str]:
    """What B takes less than A, and payback."""
    energy, running, payback = (result["saved"][name] for name in ("energy", "running", "payback"))
    lines = []
    if energy["kwh"] is None:
        lines.append(f"energy is not compared: {energy['reason']}")
    elif energy["u95_kwh"] is None:
        lines.append(f"B saves {energy['kwh']:.4g} kWh a year, uncertainty not known")
    else:
        value, u95 = displayed(energy["kwh"], energy["u95_kwh"])
        lines.append(f"B saves {value} +- {u95} kWh a year{'' if energy['resolved'] else ', which is within the uncertainty'}")
    if running["per_year"] is None:
        lines.append(f"running costs are not compared: {running['reason']}")
    else:
        known = running["u95_per_year"]
        amount = rounded(running["per_year"]) if known is None else " +- ".join(displayed(float(running["per_year"]), known))
        within = ", which is within the uncertainty" if running["resolved"] is False else ""
        lines.append(f"B saves {amount} {running['currency']} a year to run{within}")
    if payback["years"] is None:
        return [*lines, f"no payback: {payback['reason']}"]
    first, last = payback["interval95"] or (None, None)
    between = "" if first is None else f" ({first:.3g} to {'never' if last is None else format(last, '.3g')})"
    when = "within" if payback["within"] else "not within"
    return [*lines, f"B has paid for itself after {payback['years']:.3g} years{between}, {when} {result['years']}"]
