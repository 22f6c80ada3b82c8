"""The generated parts of docs/standard: the tables of rules and the schemas of a bundle's files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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


HEAD = ("| key | type | |", "|---|---|---|")


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


def kind(schema: Mapping[str, Any]) -> str:
    """The type of a value in a few words."""
    if "$ref" in schema:
        return f"[{schema['$ref'].rpartition('/')[2]}]"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" if value is not None else "null" for value in schema["enum"])
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(map(kind, options))
    types = schema.get("type", "any")
    named = types if isinstance(types, str) else " or ".join(types)
    return f"list of {kind(schema['items'])}" if named == "array" and isinstance(schema.get("items"), dict) else named


def rows(schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """A line for every key of an object, those of objects inside it below it; `?` for one that may be left out."""
    required = schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        optional = "" if name in required else "?"
        yield f"| `{prefix}{name}`{optional} | {cell(kind(part))} | {cell(part.get('description', ''))} |"
        yield from rows(part, f"{prefix}{name}.")
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from rows(choice, prefix)
    for word, mark in (("items", "[]."), ("additionalProperties", ".*.")):
        if isinstance(part := schema.get(word), dict):
            yield from rows(part, f"{prefix.removesuffix('.')}{mark}")


def schemas_text() -> str:
    """Every schema with its keys."""
    lines = [
        "# Schemas",
        "",
        "Every file of a [bundle](../../reference/bundle.md) and every object that commands print with a key `schema`, key by key; made by",
        "`scripts/docs` from the schemas themselves, which lie beside this page. A key followed by `?` may be left out; `[]` stands for",
        "each entry of a list, `*` for each name of an object.",
    ]
    for name, schema in schemas().items():
        file = f"{stem(name)}.schema.json"
        lines += ["", f"## {name}", "", f"[{file}]({file}). {schema.get('description', '')}".rstrip(), "", *HEAD, *rows(schema)]
        for part, definition in schema.get("$defs", {}).items():
            lines += ["", f"`{part}`: {definition.get('description', '')}".rstrip(": "), "", *HEAD, *rows(definition)]
    return "\n".join(lines) + "\n"


def stem(name: str) -> str:
    """Name of a schema's file: of joulemark.card/1 `card`."""
    return name.removeprefix("joulemark.").partition("/")[0]


def files() -> Iterator[tuple[Path, str]]:
    """(path, text) of every generated file."""
    yield STANDARD / "rules.md", rules_text()
    yield STANDARD / "schemas" / "README.md", schemas_text()
    for name, schema in schemas().items():
        yield STANDARD / "schemas" / f"{stem(name)}.schema.json", json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    """Write them."""
    (STANDARD / "schemas").mkdir(exist_ok=True)
    for path, text in files():
        path.write_text(text, encoding="utf-8")


def stale() -> list[str]:
    """The files that are not as they would be written."""
    return [path.name for path, text in files() if not path.exists() or path.read_text(encoding="utf-8") != text]
