"""What may be wrong by the rules UNC."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from joulemark.cards.evidence import Evidence
from joulemark.runs import PhaseKind, Window
from joulemark.standard.verdict import Verdict
from tests.kit.spoil import Spoil

Change = Callable[[dict[str, Any]], object]


def measured(card: dict[str, Any]) -> dict[str, Any]:
    """The second measured phase of a card."""
    return [phase for phase in card["phases"] if phase["kind"] == "measured"][1]


def without(name: str, key: str = "") -> Change:
    """The card does not state one component, or one thing of it."""

    def change(card: dict[str, Any]) -> None:
        lines = measured(card)["uncertainty"]["components"]
        for line in [line for line in lines if line["name"] == name]:
            if key:
                del line[key]
            else:
                lines.remove(line)

    return change


def of_windows(change: Callable[[Window], Window]) -> Callable[[Evidence], Evidence]:
    """A change of every measured phase."""

    def spoil(evidence: Evidence) -> Evidence:
        windows = tuple(change(w) if w.kind is PhaseKind.MEASURED else w for w in evidence.run.windows)
        return replace(evidence, run=replace(evidence.run, windows=windows))

    return spoil


def tokens_in_doubt(share: float) -> Callable[[Evidence], Evidence]:
    """Two counts of the output tokens differ by `share` of them in each repetition."""
    return of_windows(lambda w: replace(w, tokens=replace(w.tokens, disagreement=share * float(w.tokens.output or 0))))


def without_accuracy(evidence: Evidence) -> Evidence:
    """No meter states a limit of error, and none is aligned."""
    series = tuple(replace(one, meter=replace(one.meter, accuracy=None)) for one in evidence.series)
    return replace(evidence, series=series, alignments=())


def unmeasured(evidence: Evidence) -> Evidence:
    """What was measured counts as a warm-up."""
    return of_windows(lambda w: replace(w, kind=PhaseKind.WARMUP))(evidence)


def two_repetitions(evidence: Evidence) -> Evidence:
    """Too few for a score: the headline is judged."""
    dropped = [w.name for w in evidence.run.measured[2:]]
    windows = tuple(w for w in evidence.run.windows if w.name not in dropped)
    return replace(evidence, run=replace(evidence.run, windows=windows))


def table(*rows: tuple[Any, Any, Any]) -> Callable[[Path], None]:
    """A bundle that carries a table."""

    def spoil(folder: Path) -> None:
        entries = [
            {"id": f"entry-{n}", "value": value, "u95": u95, "unit": "J per 1k output tokens", "rank": rank}
            for n, (value, u95, rank) in enumerate(rows)
        ]
        (folder / "ranks.json").write_text(json.dumps({"schema": "joulemark.ranks/1", "entries": entries}))

    return spoil


def scaled_u95(factor: float, *, of: str = "headline") -> Change:
    """The card claims another uncertainty of its headline, its score or a phase."""

    def change(card: dict[str, Any]) -> None:
        block = measured(card) if of == "phase" else card[of]
        block["u95_j"] *= factor

    return change


SPOILS: Final[Sequence[Spoil]] = (
    Spoil("UNC-1", "limit of error not known", evidence=without_accuracy),
    Spoil("UNC-1", "component left out", card=without("drift")),
    Spoil("UNC-1", "component without degrees of freedom", card=without("sampling", "dof")),
    Spoil("UNC-1", "component without source", card=without("temperature", "source")),
    Spoil("UNC-1", "component null", card=lambda card: measured(card)["uncertainty"]["components"][0].update(u_j=None)),
    Spoil("UNC-1", "no measured phase", evidence=unmeasured, verdict=Verdict.CANNOT_TELL),
    Spoil("UNC-1", "no card", files=lambda folder: (folder / "energy" / "card.json").unlink(), verdict=Verdict.CANNOT_TELL),
    Spoil("UNC-2", "headline U95 too small", card=scaled_u95(0.985)),
    Spoil("UNC-2", "headline U95 too large", card=scaled_u95(1.015)),
    Spoil("UNC-2", "phase U95 too small", card=scaled_u95(0.5, of="phase")),
    Spoil("UNC-2", "score U95 too small", card=scaled_u95(0.5, of="score")),
    Spoil("UNC-2", "rounded within 1 percent", card=scaled_u95(0.995), verdict=Verdict.PASS),
    Spoil("UNC-2", "headline U95 null", card=lambda card: card["headline"].update(u95_j=None), verdict=Verdict.CANNOT_TELL),
    Spoil("UNC-2", "no card", files=lambda folder: (folder / "energy" / "card.json").unlink(), verdict=Verdict.CANNOT_TELL),
    Spoil("UNC-3", "token counts in doubt by a tenth", evidence=tokens_in_doubt(0.1)),
    Spoil("UNC-3", "two repetitions in doubt", evidence=lambda evidence: two_repetitions(tokens_in_doubt(0.1)(evidence))),
    Spoil("UNC-3", "two repetitions", evidence=two_repetitions, verdict=Verdict.PASS),
    Spoil("UNC-3", "limit of error not known", evidence=without_accuracy, verdict=Verdict.CANNOT_TELL),
    Spoil(
        "UNC-3",
        "tokens not counted",
        evidence=of_windows(lambda w: replace(w, tokens=replace(w.tokens, output=None))),
        verdict=Verdict.CANNOT_TELL,
    ),
    Spoil("UNC-4", "good table", files=table((250.0, 4.0, 1), (251.0, 3.0, 1), (261.8, 5.0, 3)), verdict=Verdict.PASS),
    Spoil("UNC-4", "rank by value alone", files=table((250.0, 4.0, 1), (251.0, 3.0, 2), (261.8, 5.0, 3))),
    Spoil("UNC-4", "worse entry ranked first", files=table((250.0, 4.0, 2), (261.8, 5.0, 1))),
    Spoil("UNC-4", "entry without uncertainty", files=table((250.0, None, 1), (261.8, 5.0, 2)), verdict=Verdict.CANNOT_TELL),
    Spoil("UNC-4", "table without entries", files=table(), verdict=Verdict.CANNOT_TELL),
    Spoil("UNC-5", "three digits of U", card=lambda card: card["headline"]["display"]["energy_j"].update(u95="1234567")),
    Spoil("UNC-5", "score with too many digits", card=lambda card: card["score"]["display"].update(value="1789.0015")),
    Spoil("UNC-5", "value of a phase not to the place of U", card=lambda card: measured(card)["display"]["energy_j"].update(value="1")),
    Spoil(
        "UNC-5",
        "stored figure rounded",
        card=lambda card: card["headline"].update(energy_j=float(f"{card['headline']['energy_j']:.4g}")),
    ),
    Spoil("UNC-5", "uncertainty shown but not stored", card=lambda card: card["headline"].pop("u95_j")),
    Spoil("UNC-5", "no card", files=lambda folder: (folder / "energy" / "card.json").unlink(), verdict=Verdict.CANNOT_TELL),
)
