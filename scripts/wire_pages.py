"""The generated part of docs/reference/wire.md: every message of the `.proto` files with its fields, and what the files say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "src" / "joulemark" / "proto" / "v1"
BEGIN = re.compile(r"(message|enum|service) (\w+) \{")
FIELD = re.compile(r"((?:repeated |optional )?(?:map<[^>]+>|[\w.]+)) (\w+) = (\d+);|(\w+) = (\d+);|rpc (\w+)\((.+)\) returns \((.+)\);")


@dataclass
class Message:
    """One message, enumeration or service of a file: (number, name, type, comment) of its fields."""

    kind: str
    name: str
    about: str
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)


def row(line: str, about: str) -> tuple[str, str, str, str] | None:
    """What one line declares."""
    found = FIELD.match(line)
    if found is None:
        return None
    kind, name, number, value, code, call, asked, answered = found.groups()
    if call:
        return "", call, f"{asked} → {answered}", about
    return (number, name, kind, about) if name else (code, value, "", about)


def messages(text: str) -> Iterator[Message]:
    """Every declaration of a file, in its order; the fields of a oneof are fields of its message."""
    about: list[str] = []
    current, depth = Message("", "", ""), 0
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("//"):
            about.append(line.removeprefix("//").strip())
            continue
        if found := BEGIN.match(line):
            current = Message(found[1], found[2], " ".join(about))
        elif declared := row(line, " ".join(about)):
            current.rows.append(declared)
        about = []
        depth += line.count("{") - line.count("}")
        if "}" in line and depth == 0:
            yield current


def wire_text() -> str:
    """A table for each, the files in the order of their names."""
    lines: list[str] = []
    for path in sorted(FOLDER.glob("*.proto")):
        for message in messages(path.read_text(encoding="utf-8")):
            lines += [f"### {message.name}", "", f"{message.kind} of `{path.name}`. {message.about}".rstrip(), ""]
            if message.rows:
                lines += ["| | name | type | |", "|---|---|---|---|"]
                lines += [f"| {number} | `{name}` | {kind} | {about} |" for number, name, kind, about in message.rows]
                lines.append("")
    return "\n".join(lines)
