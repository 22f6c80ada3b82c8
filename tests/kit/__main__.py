"""The conformance kit and the matrix of rules: `make kit`. SEED=n, OUT=folder keeps the bundles, WRITE=1 puts the matrix into its page.

Every rule has to pass on a good bundle and to fail on a spoilt one, on its short run and on its long one; the command line has to come to
the expected level of each of the four bundles. Nothing is taken from a list of answers: what is counted was run. Exits 1 when red.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from joulemark.standard.checks import checks
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Verdict
from tests.kit.bundles import EXPECTED, MADE, written
from tests.kit.matrix import SPOILS
from tests.kit.spoil import SEED, good_case, spoiled_case

PAGE: Final = Path("docs/standard/rule-matrix.md")
GOOD: Final = (("ES1", "ES1"), ("ES2", "ES1"), ("ES2", "ES2"))


def ran(folder: Path) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """(rule -> what it passed on, rule -> what it failed on, what went wrong in words)."""
    passed: dict[str, list[str]] = defaultdict(list)
    failed: dict[str, list[str]] = defaultdict(list)
    wrong = []
    rules = {rule.id: rule for rule in edition().rules}
    for rule in rules.values():
        for level, grade in GOOD:
            verdict = checks()[rule.id](good_case(level), rule, grade).verdict if rule.id in checks() else Verdict.CANNOT_TELL
            if verdict is Verdict.PASS:
                passed[rule.id].append(f"good {level} bundle, column {grade}")
            elif not verdict.harmless:
                wrong.append(f"{rule.id} in column {grade} on the good {level} bundle: {verdict}")
    for spoil in (spoil for group in SPOILS.values() for spoil in group):
        for grade in spoil.grades:
            outcome = checks()[spoil.rule](spoiled_case(spoil, grade, folder), rules[spoil.rule], grade)
            if outcome.verdict is not spoil.verdict:
                wrong.append(f"{spoil.id} on the {grade} bundle: {outcome.verdict}, not {spoil.verdict}")
            elif spoil.verdict in (Verdict.PASS, Verdict.FAIL):
                (passed if spoil.verdict is Verdict.PASS else failed)[spoil.rule].append(f"{spoil.name} ({grade})")
    return passed, failed, wrong


def levels(folder: Path, seed: int) -> tuple[dict[str, str], list[str]]:
    """(bundle -> level by the command line, what went wrong in words)."""
    found, wrong = {}, []
    for name, place in written(folder, seed=seed).items():
        command = [sys.executable, "-m", "joulemark", "validate", str(place), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        found[name] = str(report.get("level", done.stderr.strip()))
        named = {*report.get("contradictions", ()), *report.get("failing", {}).get("ES2", ())}
        if found[name] != EXPECTED[name]:
            wrong.append(f"{name} comes to {found[name]}, not {EXPECTED[name]}: {', '.join(sorted(named)) or done.stderr.strip()}")
        wrong += [f"{name}: {rule} is not named" for rule in MADE[name][2] if rule not in named]
        reached = done.returncode == 0
        if reached != (name in ("es1", "es2")):
            wrong.append(f"{name}: exit status {done.returncode}")
    return found, wrong


def table(passed: dict[str, list[str]], failed: dict[str, list[str]]) -> str:
    """The matrix for people."""
    lines = ["# Rule matrix", "", "Made by `make kit WRITE=1`: what each rule passed on, and which fault it was seen to name.", ""]
    lines += ["| rule | passes on | fails on |", "|---|---|---|"]
    for rule in edition().rules:
        lines.append(f"| {rule.id} | {'; '.join(passed[rule.id])} | {'; '.join(failed[rule.id])} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run it, print the line."""
    with tempfile.TemporaryDirectory(prefix="joulemark-kit-") as scratch:
        out = Path(os.environ.get("OUT") or scratch) / "kit"
        passed, failed, wrong = ran(Path(scratch))
        found, wrong_levels = levels(out, SEED)
    wrong += wrong_levels
    rules = [rule.id for rule in edition().rules]
    if os.environ.get("WRITE"):
        PAGE.write_text(table(passed, failed), encoding="utf-8")
    for what in wrong:
        print(what, file=sys.stderr)
    line = {
        "rules": len(rules),
        "with_pass_test": sum(bool(passed[rule]) for rule in rules),
        "with_fail_test": sum(bool(failed[rule]) for rule in rules),
        "kit": found,
    }
    print(json.dumps(line))
    complete = len(rules) == line["with_pass_test"] == line["with_fail_test"]
    return 0 if complete and not wrong else 1


if __name__ == "__main__":
    raise SystemExit(main())
