"""What `joulemark board` prints for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def submission_text(found: Mapping[str, Any]) -> str:
    """Where a submission is, with each reason on a line of its own."""
    state = ", ".join(part for part in (found["state"], found["reached"]) if part)
    lines = [f"{state}: submission {found['submission_id']}"]
    if found["entry_id"]:
        lines.append(f"entry {found['entry_id']}")
    return "\n".join([*lines, *(f"  {reason['rule']}: {reason['why']}" for reason in found["reasons"])])


def list_text(found: Mapping[str, Any]) -> str:
    """A page of a board: one line for each entry, below its class or its list."""
    board = found["board"]
    lines = [f"{found['total']} entries, page {found['page']} of {found['pages']}; {board['unit']}, less is better"]
    for one in board["classes"]:
        lines.append(f"class {one['class_id'][:12]}")
        lines += [f"  {entry['rank']:>3}  {line(entry)}" for entry in one["entries"]]
    lines += [text for name in ("informative", "not_comparable", "simulated", "withdrawn") for text in listing(name, board[name])]
    return "\n".join(lines)


def listing(name: str, entries: list[Mapping[str, Any]]) -> Iterator[str]:
    """A list without ranks; nothing of an empty one."""
    if entries:
        yield f"{name.replace('_', ' ')}, without rank"
        yield from (f"       {line(entry)}" for entry in entries)


def line(entry: Mapping[str, Any]) -> str:
    """One entry."""
    value, u95 = entry["joules_per_1k_output_tokens"], entry["u95_j_per_1k_output_tokens"]
    figure = "not known" if value is None else f"{value:.6g}{'' if u95 is None else f' +- {u95:.2g}'}"
    reason = f" ({entry['withdrawn_reason']})" if "withdrawn_reason" in entry else ""
    return f"{figure:<22} {entry['level']}  {entry['title']}, {entry['submitter']}  {entry['entry_id']}{reason}"


def withdrawal_text(found: Mapping[str, Any]) -> str:
    """What was taken back, and why."""
    return f"{found['status']}: {found['entry_id']} ({found['withdrawn_reason']})"


def snapshot_text(found: Mapping[str, Any]) -> str:
    """The hash of each file of a snapshot, as sha256sum writes it."""
    return "\n".join(f"{sha256}  {name}" for name, sha256 in found["files"].items())


def follow_text(found: Mapping[str, Any]) -> str:
    """What a look at another board came to."""
    changed = f"{found['seen']} entries" if found["changed"] else "nothing has changed"
    lines = [f"{found['board']}: {changed}, {len(found['taken'])} fetched, {found['linked']} here already"]
    lines += [submission_text(one) for one in found["submissions"]]
    lines += [f"withdrawn there and here: {entry_id}" for entry_id in found["withdrawn"]]
    lines += [f"{one['kind']}: {one['item_id']} {one['detail']}" for one in found["findings"]]
    return "\n".join(lines)
