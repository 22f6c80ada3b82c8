"""What a stranger gets to see of a bundle: the card, what it was measured on and the verdict as one document, as a page and as a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from joulemark.cards import system
from joulemark.cards.card import hashes
from joulemark.cards.contents import contents
from joulemark.cards.label import label
from joulemark.cards.measured import Measured
from joulemark.cards.page import page
from joulemark.cards.trace import Trace, traces
from joulemark.errors import InsufficientData
from joulemark.standard.case import Case
from joulemark.standard.edition import edition
from joulemark.standard.report import MEANINGS
from joulemark.standard.validator import Report, validate
from joulemark.standard.verdict import GRADES, Verdict

PUBLICATION_SCHEMA: Final = "joulemark.report/1"


@dataclass(frozen=True)
class Publication:
    """`document`: schema `joulemark.report/1`; page and label hold nothing that it has not, but the lines of the chart."""

    document: Mapping[str, Any]
    lines: tuple[Trace, ...]

    @classmethod
    def of(cls, case: Case) -> Self:
        """A bundle, judged now and its card computed again: nothing that it claims of itself is in it.

        Raises InsufficientData where its readings give no card.
        """
        if case.evidence is None or case.rebuilt is None:
            raise InsufficientData(f"there is no card to show: {case.unbuildable}", "ask joulemark validate what is missing")
        card = {**case.rebuilt, "hashes": hashes(contents(case.evidence))}
        return cls.made(Measured(case.evidence, card), validate(case))

    @classmethod
    def made(cls, run: Measured, report: Report) -> Self:
        """A run, and what the validator said of its bundle."""
        document = {
            "schema": PUBLICATION_SCHEMA,
            "card": run.card,
            "system": system.facts(run),
            "validation": report.to_json(),
            "meaning": MEANINGS[report.level],
            "counts": {grade: counted(report, grade) for grade in GRADES},
            "rules": {rule.id: rule.text for rule in edition(report.version).rules},
        }
        return cls(document, tuple(traces(run.evidence)))

    @property
    def page(self) -> str:
        """One self-contained page of HTML."""
        return page(self.document, self.lines)

    def label(self, link: str | None = None) -> str:
        """A small SVG; `link`: where a reader can verify it. Raises UsageError for a link that no page may carry."""
        return label(self.document, link=link)


def counted(report: Report, grade: str) -> dict[str, int]:
    """How many rules came to what in one column."""
    found = Counter(one.outcomes[grade].verdict for one in report.judged)
    return {str(verdict): found[verdict] for verdict in Verdict}
