"""Examining: an archive from a stranger unpacked, judged by the validator, and turned into its entry, in a process of its own.

`python -m joulemark.board.examining` reads one JSON object from its standard input and prints one: a bundle that takes all memory, never
comes to an end, or breaks the interpreter ends this process and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from joulemark import document, foreign, unpacked
from joulemark.board.entry import Entry
from joulemark.board.submission import Examined, Reason, entry_id_of
from joulemark.cards.bundle import FOLDER, MANIFEST
from joulemark.errors import JoulemarkError
from joulemark.standard import read
from joulemark.standard.case import Case
from joulemark.standard.comparability import comparability_key
from joulemark.standard.report import shown
from joulemark.standard.trust import Trust
from joulemark.standard.validator import Judged, Report, validate
from joulemark.standard.verdict import GRADES, LEVELS, Outcome

CARD: Final = f"{FOLDER}/card.json"


@dataclass(frozen=True, slots=True)
class Question:
    """What to examine: `archive` with the hash of its bytes, unpacked below the empty folder `place`; who brings it, when.

    `card`: file into which the bundle's card is copied, where an entry can be made. `trust`: TOML list of keys, empty for none but the
    kit's. `memory_bytes`, `cpu_s`: what the process may take.
    """

    archive: str
    bundle_sha256: str
    place: str
    submitter: str
    now_ns: int
    origin: str = ""
    card: str = ""
    trust: str = ""
    memory_bytes: int = 0
    cpu_s: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError."""
        return document.record(cls, data, where="question")


def examined(question: Question) -> Examined:
    """What the validator finds in an archive. What is wrong with the archive itself is a reason, and no error."""
    try:
        trust = Trust.read(Path(question.trust) if question.trust else None)
        folder = unpacked.unpacked(Path(question.archive), Path(question.place), own=FOLDER)
        case = read.bundle(folder, trust=trust)
        report = validate(case)
        return found(case, report, question)
    except JoulemarkError as error:
        said = str(error).replace(f"{question.place}/", "").replace(question.archive, "the archive")
        return Examined(LEVELS[0], reasons=(Reason("ENTRY", said),))


def found(case: Case, report: Report, question: Question) -> Examined:
    """The examination of a case that was judged. Raises FormatError for what cannot stand on a board."""
    reasons = [reason for one in report.judged for reason in contradicting(one)]
    reasons += [] if case.rebuilt is not None else [Reason("ENTRY", case.unbuildable)]
    failing = {grade: tuple(standing(one, grade) for one in report.judged if one.rule.id in report.failing(grade)) for grade in GRADES}
    simulated = report.kit or bool(case.rebuilt and case.rebuilt["simulated"])
    run_id = "" if case.run is None else case.run.run_id
    if reasons or case.rebuilt is None:
        return Examined(report.level, simulated, run_id, failing=failing, reasons=tuple(reasons))
    manifest = hash_of(case.folder / MANIFEST)
    entry = Entry.of(
        case.rebuilt,
        report,
        key=comparability_key(case, level=report.level),
        workload=None if case.evidence is None else case.evidence.workload,
        entry_id=entry_id_of(manifest),
        submitter=question.submitter,
        published_ns=question.now_ns,
        card_sha256=hash_of(case.folder / CARD),
        manifest_sha256=manifest,
        bundle_sha256=question.bundle_sha256,
        origin=question.origin or None,
    )
    if question.card:
        Path(question.card).write_bytes(foreign.content(case.folder / CARD, max_bytes=foreign.MAX_DOCUMENT_BYTES))
    return Examined(report.level, simulated, run_id, entry, failing)


def contradicting(one: Judged) -> list[Reason]:
    """Why a rule makes the bundle INVALID; empty where it does not."""
    return [Reason(one.rule.id, why(outcome), grade) for grade, outcome in one.outcomes.items() if outcome.contradiction][:1]


def standing(one: Judged, grade: str) -> Reason:
    """Why a rule stands in the way of `grade`."""
    columns = GRADES[: GRADES.index(grade) + 1]
    column = next(grade for grade in columns if not one.outcomes[grade].verdict.harmless)
    return Reason(one.rule.id, f"{one.rule.text}: {why(one.outcomes[column])}", column)


def why(outcome: Outcome) -> str:
    """What a verdict rests on, in one line."""
    parts = (("measured", shown(outcome.measured)), ("limit", outcome.limit), ("because", outcome.detail), ("from", outcome.source))
    return "; ".join(f"{name} {value}" for name, value in parts if value)


def hash_of(path: Path) -> str:
    """SHA-256 of a file. Raises FormatError where there is none."""
    with foreign.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bounded(question: Question) -> None:
    """Take no more memory and time than the question allows, and leave no core behind."""
    for kind, most in ((resource.RLIMIT_AS, question.memory_bytes), (resource.RLIMIT_CPU, question.cpu_s), (resource.RLIMIT_CORE, 0)):
        if most or kind == resource.RLIMIT_CORE:
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Answer the question on the standard input."""
    question = Question.from_json(document.json_object(sys.stdin.read(), where="question"))
    bounded(question)
    json.dump(examined(question).to_json(), sys.stdout, allow_nan=False)


if __name__ == "__main__":
    main()
