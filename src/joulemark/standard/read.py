"""From a folder to a case: a bundle of ours, or the artefacts of a benchmark alone."""

from __future__ import annotations

from pathlib import Path

from joulemark.cards.bundle import verify
from joulemark.cards.opened import opened
from joulemark.standard.case import Case
from joulemark.standard.trust import Trust


def bundle(folder: Path, *, trust: Trust | None = None) -> Case:
    """The case of the bundle in `folder`. Raises FormatError when it is no folder, or one beyond the limits of `foreign.files`."""
    found = opened(folder)
    return Case(
        folder,
        found.evidence,
        found.document("card"),
        found.document("manifest"),
        found.documents,
        found.faults,
        tuple(verify(folder)),
        Trust.read() if trust is None else trust,
    )
