"""The generated parts of docs/standard: the tables of rules and the schemas of a bundle's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from joulemark.standard.edition import GROUPS, Rule, edition
from joulemark.standard.schema import schemas

STANDARD = Path(__file__).resolve().parent.parent / "docs" / "standard"
TITLES = {
    "SCO": "Scope",
    "MET": "Meters",
    "SMP": "Sampling",
    "CLK": "Clocks",
    "PHA": "Phases",
    "REP": "Repetitions",
    "CAL": "Alignment and ring test",
    "UNC": "Uncertainty",
    "TOK": "Tokens",
    "PRC": "Prices (the cost card alone)",
    "ENV": "Environment",
    "INT": "Integrity",
}


def cell(text: str) -> str:
    """Text inside a table."""
    return text.replace("|", "\\|").replace("\\\\|", "\\|")


def limits(rule: Rule) -> str:
    """The numbers that a check compares with."""
    shown = (f"{grade}: {', '.join(f'{name} {value:g}' for name, value in numbers.items())}" for grade, numbers in rule.limits.items())
    return "; ".join(shown) or "none"


def rules_text() -> str:
    """Every rule of the current edition, a table for each group and the reasons below it."""
    current = edition()
    lines = [
        f"# Rules of edition {current.version}",
        "",
        "Clause 4 of the [standard](energy-standard.md), made by `scripts/docs` from the data that the validator works with.",
        "`joulemark explain SMP-3` prints one.",
    ]
    for number, group in enumerate(GROUPS, 1):
        rules = [rule for rule in current.rules if rule.group == group]
        lines += ["", f"## 4.{number} {TITLES[group]}", "", "| rule | demands | ES1 | ES2 | data |", "|---|---|---|---|---|"]
        lines += [f"| {r.id} | {cell(r.text)} | {cell(r.es1)} | {cell(r.es2)} | {cell(r.data)} |" for r in rules]
        lines.append("")
        for rule in rules:
            lines += [f"**{rule.id}** Reason: {rule.why}. To meet it: {rule.how} Limits: {limits(rule)}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def files() -> Iterator[tuple[Path, str]]:
    """(path, text) of every generated file."""
    yield STANDARD / "rules.md", rules_text()
    for name, schema in schemas().items():
        file = name.removeprefix("joulemark.").partition("/")[0]
        yield STANDARD / "schemas" / f"{file}.schema.json", json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    """Write them."""
    (STANDARD / "schemas").mkdir(exist_ok=True)
    for path, text in files():
        path.write_text(text, encoding="utf-8")


def stale() -> list[str]:
    """The files that are not as they would be written."""
    return [path.name for path, text in files() if not path.exists() or path.read_text(encoding="utf-8") != text]
