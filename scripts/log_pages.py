"""Every line that the daemons may log, found in the source: for docs/reference/logs.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "joulemark"
LEVELS = {"exception": "error"}
ORDER = ("error", "warning", "info", "debug")
DAEMONS = (("agent", "Agent"), ("collector", "Collector"), ("", "Either"))
"""Folder of the package, and whose lines its are; the board and the feeds of prices are the collector's."""
COLLECTORS = ("collector", "board", "pricing")


def calls(path: Path) -> Iterator[tuple[str, str, str]]:
    """(level, logger, message) of each call of a module's `log`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    logger = "joulemark"
    for node in ast.walk(tree):
        if called(node) == "getLogger" and isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            logger = str(node.args[0].value)
    for node in ast.walk(tree):
        level = LEVELS.get(called(node), called(node))
        if level in ORDER and isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            yield level, logger, shown(str(node.args[0].value))


def called(node: ast.AST) -> str:
    """The method that is called on `log` or `logging`, or nothing."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not isinstance(node.func.value, ast.Name):
        return ""
    return node.func.attr if node.func.value.id in ("log", "logging") else ""


def shown(template: str) -> str:
    """The message with a mark where something is filled in."""
    return re.sub(r"%[-+0-9.]*[a-z]", "…", template).replace("|", "\\|")


def lines() -> dict[str, list[tuple[str, str, str]]]:
    """Whose -> its lines, errors first."""
    found: dict[str, set[tuple[str, str, str]]] = {title: set() for _, title in DAEMONS}
    for path in sorted(SOURCE.rglob("*.py")):
        top = path.relative_to(SOURCE).parts[0]
        title = "Collector" if top in COLLECTORS else "Agent" if top == "agent" else "Either"
        found[title] |= set(calls(path))
    return {title: sorted(each, key=lambda line: (ORDER.index(line[0]), line)) for title, each in found.items()}


def text() -> str:
    """The tables."""
    parts = []
    for title, each in lines().items():
        parts += [f"## {title}", "", "| level | logger | message |", "|---|---|---|"]
        parts += [f"| {level} | `{logger}` | {message} |" for level, logger, message in each]
        parts.append("")
    return "\n".join(parts)
