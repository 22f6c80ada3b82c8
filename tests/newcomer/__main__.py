"""The first tutorial, taken literally by somebody who has nothing: `python3 -m tests.newcomer`, behind `make newcomer`.

Clones what is committed, runs every shell block of `docs/tutorials/first-card.md` in order, and stops at the first that fails. The last
line tells when the first card stood there, reading counted in, and how many command lines it took; exit 0 only when all blocks went well
and the card came within LIMIT_S, its reading within READING_S. `ROOT=debian` takes a bare Debian 12 in place of an empty folder;
`MUTATE=block` misspells a command of the page, which must end red. The transcript stands in `build/newcomer.md`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.newcomer import ground
from tests.newcomer.tutorial import WORDS_PER_MINUTE, Block, blocks, reading_s, words
from tests.newcomer.walk import Step, Walk, card_s

CHECKOUT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = "docs/tutorials/first-card.md"
TRANSCRIPT: Final = CHECKOUT / "build" / "newcomer.md"
LIMIT_S: Final = 600
READING_S: Final = 120


def git(*args: str) -> str:
    """What git says of this checkout."""
    return subprocess.run(["git", *args], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout


def walked(page: str, where: ground.Ground) -> list[Step]:
    """Every block of a page up to the first that fails."""
    walk, steps = Walk(where), list[Step]()
    for block in blocks(page):
        print(f"newcomer: {block.text.strip()}", file=sys.stderr)
        steps.append(walk.take(block))
        if steps[-1].status != 0:
            break
    return steps


def first_card(steps: list[Step]) -> tuple[float, Block, int] | None:
    """(when it stood there since the first command, s; the block that made it; command lines until then); None when there is none."""
    at_s = card_s(steps)
    if at_s is None:
        return None
    until = [step for step in steps if step.begin_s <= at_s]
    return at_s, until[-1].block, sum(step.block.commands for step in until)


def transcript(page: str, where: ground.Ground, steps: list[Step], line: dict[str, object]) -> str:
    """What was typed and what was seen, with seconds since the first command."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    text = [
        "# A newcomer's first card",
        "",
        f"`{PAGE}` of commit {git('rev-parse', '--short', 'HEAD').strip()},",
        f"in {where.name}. {words(page)} words in all, {WORDS_PER_MINUTE} a minute; load of the machine at the end: {load}.",
        "",
    ]
    for step in steps:
        typed = "\n".join(f"$ {row}" for row in step.block.text.strip().splitlines())
        seen = "\n".join(f"[{at:7.1f} s] {row}" for at, row in step.said)
        text += [f"## {step.begin_s:.1f} s to {step.end_s:.1f} s: status {step.status}", "", "```text", typed, seen, "```", ""]
    return "\n".join([*text, f"`{json.dumps(line)}`", ""])


def judged(page: str, where: ground.Ground) -> bool:
    """Walk, write the transcript, print the line; whether all is well."""
    steps = walked(page, where)
    line: dict[str, object] = {"first_card_s": None, "commands": None}
    faults = [f"status {step.status}: {step.block.text.strip()}" for step in steps if step.status != 0]
    if found := first_card(steps):
        at_s, block, commands = found
        read_s = reading_s(block.words_before)
        line = {"first_card_s": round(at_s + read_s, 1), "commands": commands}
        print(f"newcomer: {at_s:.1f} s of commands, {read_s:.1f} s of reading {block.words_before} words before them", file=sys.stderr)
        if at_s + read_s > LIMIT_S or read_s > READING_S:
            faults.append(f"more than {LIMIT_S} s, or more than {READING_S} s of them reading")
    else:
        faults.append("no card was seen")
    TRANSCRIPT.parent.mkdir(exist_ok=True)
    TRANSCRIPT.write_text(transcript(page, where, steps, line), encoding="utf-8")
    for fault in faults:
        print(f"newcomer: {fault}", file=sys.stderr)
        for _, row in steps[-1].said[-15:]:
            print(f"  {row}", file=sys.stderr)
    print(json.dumps(line))
    return not faults


def main() -> int:
    """Where and what, from the environment."""
    page = git("show", f"HEAD:{PAGE}")  # what a clone gets
    if os.environ.get("MUTATE") == "block":
        page = page.replace("make demo", "make dmeo")
    with tempfile.TemporaryDirectory(prefix="newcomer-") as place:
        make = ground.debian if os.environ.get("ROOT") == "debian" else ground.folder
        return 0 if judged(page, make(CHECKOUT, Path(place))) else 1


if __name__ == "__main__":
    sys.exit(main())
