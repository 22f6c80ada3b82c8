"""`joulemark explain`: a rule of the standard, its reason, and how to meet it."""

from __future__ import annotations

from typing import Any

import click

from joulemark.cli import emit, json_option

SCHEMA = "joulemark.rules/1"
INDENT = 13
"""Columns before what is said of a rule."""


@click.command()
@click.argument("name", required=False, metavar="[RULE]")
@click.option("--edition", "version", metavar="VERSION", help="Edition of the standard; the current one without it.")
@json_option
def command(name: str | None, version: str | None, as_json: bool) -> None:
    """Print RULE, such as SMP-3, with its limits, its reason and how to meet it; a group, such as SMP; or all rules in short."""
    from joulemark.standard.edition import CURRENT, GROUPS, edition

    found = edition(version or CURRENT)
    if name is None:
        rules = found.rules
    elif name.upper() in GROUPS:
        rules = tuple(rule for rule in found.rules if rule.group == name.upper())
    else:
        rules = (found.rule(name),)
    limits = [{grade: dict(numbers) for grade, numbers in rule.limits.items()} for rule in rules]
    entries = [
        {"id": r.id, "text": r.text, "es1": r.es1, "es2": r.es2, "data": r.data, "why": r.why, "how": r.how, "limits": numbers}
        for r, numbers in zip(rules, limits, strict=True)
    ]
    result = {"schema": SCHEMA, "edition": found.version, "rules": entries}
    emit(result, as_json=as_json, text=listed if name is None else told)


def listed(result: dict[str, Any]) -> str:
    """What every rule demands."""
    from joulemark.standard.report import wrapped

    lines = [wrapped(f"{rule['id']:<8}{rule['text']}") for rule in result["rules"]]
    return "\n".join([*lines, f"edition {result['edition']}, {len(lines)} rules; joulemark explain {result['rules'][0]['id']} tells more"])


def told(result: dict[str, Any]) -> str:
    """Each rule at length."""
    return "\n\n".join(at_length(rule, edition=result["edition"]) for rule in result["rules"])


def at_length(rule: dict[str, Any], *, edition: str) -> str:
    """One rule: what is demanded, by which data, why, and how it is met."""
    from joulemark.standard.report import wrapped

    numbers = {grade: ", ".join(f"{name} = {value:g}" for name, value in limits.items()) for grade, limits in rule["limits"].items()}
    lines = [
        f"{rule['id']} (edition {edition}): {rule['text']}",
        f"  ES1        {rule['es1']}" + (f"  [{numbers['ES1']}]" if numbers.get("ES1") else ""),
        f"  ES2        {rule['es2']}" + (f"  [{numbers['ES2']}]" if numbers.get("ES2") else ""),
        f"  judged by  {rule['data']}",
        f"  why        {rule['why']}",
    ]
    lines += [f"  how        {rule['how']}"] if rule["how"] else []
    return "\n".join(wrapped(line, indent=INDENT) for line in lines)
