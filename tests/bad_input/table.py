"""The table of each bad input and what came back, as a page of the reference: reproducible, so without paths, ports and times."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tests.bad_input.judge import Answer

HEAD = """# Bad input

Each input below is a valid one with one thing wrong. It goes through the real door: a command as its own process, a request over
HTTP, a stream over gRPC. What comes back is a clear error: the designed [exit code](exit-codes.md) or status, in one line that names
the file or the key and the next step; the collector stays healthy and its store as it was. `make bad-input` tries all of them, and
seeded mutations of valid inputs (`SEED=n`, `COUNT=n`); this page is written by `make bad-input WRITE=1`;
the tests hold its first two columns to what really comes back.

Limits of files: a power log of 512 MiB unpacked, a document of 64 MiB, a configuration of 1 MiB, a line of 16 MiB, 4096 columns,
100,000 files and 40 folders in each other; JSON 64 levels deep, integers of 40 digits. Pipes, sockets and devices are not read, and
links are followed only inside the folder that was given. A key that stands twice in JSON, `NaN` and text that is not Unicode are
refused. A power that is none (`NaN`, zero, negative, a gigawatt) is a gap with its reason; a phase that only gaps cover is exit 4.
"""
VOLATILE = (
    (re.compile(r"/[^\s:']*/joulemark-[^\s:']*/"), ""),
    (re.compile(r"/tmp/[^\s:']*/"), ""),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"-[0-9a-f]{8}\b"), "-HASH"),
)
LONGEST = 220


def page(rows: Sequence[tuple[str, str, Answer]]) -> str:
    """The page, grouped as the cases are."""
    out = [HEAD]
    group = ""
    for name, title, answer in rows:
        if name != group:
            group = name
            out.append(f"\n## {group}\n\n| input | answer | said |\n|---|---|---|\n")
        out.append(f"| {title} | {status(answer)} | {said(answer)} |\n")
    return "".join(out)


def status(answer: Answer) -> str:
    return answer.status.replace("exit", "exit code") if answer.door == "cli" else answer.status


def said(answer: Answer) -> str:
    """The message, without what differs from run to run, as it stands in a cell."""
    text = answer.told.strip().removeprefix("joulemark: ")
    if answer.door == "rest":
        problem = json.loads(text) if text.startswith("{") else {}
        text = f"{problem.get('detail', text)}. {problem.get('next_step', '')}"
    for volatile, instead in VOLATILE:
        text = volatile.sub(instead, text)
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    for mark, instead in (("`", "'"), ("|", "\\|"), ("\n", " ")):
        short = short.replace(mark, instead)
    return f"`{short}`"


def verdicts(text: str) -> list[str]:
    """The rows of a page without what is said: words of libraries in a message change with their versions."""
    return [line.rpartition(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
