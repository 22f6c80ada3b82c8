"""What may be wrong by the rules REP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from joulemark.cards.evidence import Evidence
from joulemark.chain import MARK, Chain
from joulemark.runs import PhaseKind, Window
from joulemark.standard.verdict import Verdict
from tests.kit.spoil import Spoil
from tests.kit.spoils.token import no_log, on_measured, tokens


def with_windows(evidence: Evidence, windows: Sequence[Window]) -> Evidence:
    """Other phases."""
    return replace(evidence, run=replace(evidence.run, windows=tuple(windows)))


def without(evidence: Evidence, *names: str) -> Evidence:
    """The evidence without some phases, also in the log."""
    kept = with_windows(evidence, [w for w in evidence.run.windows if w.name not in names])
    return replace(kept, requests=tuple(r for r in evidence.requests or () if r.phase not in names))


def marked(evidence: Evidence) -> Evidence:
    """A chain whose marks are those of the phases, as if none had ever been otherwise."""
    chain = Chain().appended("run", {"run_id": evidence.run.run_id}, t_ns=min(w.begin_ns for w in evidence.run.windows))
    edges = sorted((ns, w.name, str(w.kind), edge) for w in evidence.run.windows for edge, ns in (("begin", w.begin_ns), ("end", w.end_ns)))
    for utc_ns, name, kind, edge in edges:
        chain = chain.appended(MARK, {"phase": name, "kind": kind, "edge": edge, "utc_ns": utc_ns}, t_ns=utc_ns + 3_000_000)
    return replace(evidence, chain=chain)


def two_repetitions(evidence: Evidence) -> Evidence:
    """Only the first two of the measured phases, marked as if there had been no more."""
    return marked(without(evidence, *(w.name for w in evidence.run.windows if w.name[-2:] in ("-3", "-4", "-5"))))


def without_second(evidence: Evidence) -> Evidence:
    """The second repetition left out everywhere, its mark too."""
    return marked(without(evidence, "warmup-2", "measured-2", "cooldown-2"))


def renumbered(evidence: Evidence) -> Evidence:
    """The second repetition left out of the run, those after it numbered anew, so that nothing seems to be missing."""
    kept = without(evidence, "warmup-2", "measured-2", "cooldown-2")
    names = {w.name: f"measured-{n}" for n, w in enumerate((w for w in kept.run.windows if w.kind is PhaseKind.MEASURED), 1)}
    windows = [replace(w, name=names.get(w.name, w.name)) for w in kept.run.windows]
    return replace(with_windows(kept, windows), requests=tuple(replace(r, phase=names[r.phase]) for r in kept.requests or ()))


def aborted(evidence: Evidence) -> Evidence:
    """The second repetition listed as aborted, with its reason."""
    windows = [replace(w, aborted="the server crashed") if w.name == "measured-2" else w for w in evidence.run.windows]
    return with_windows(evidence, windows)


def cold(evidence: Evidence) -> Evidence:
    """The second repetition follows the first without a warm-up."""
    return without(evidence, "warmup-2")


def unnumbered(evidence: Evidence) -> Evidence:
    """Repetitions of no number, and no chain that saw them."""
    windows = [replace(w, name=f"run {'abcde'[int(w.name[-1]) - 1]}") if w.kind is PhaseKind.MEASURED else w for w in evidence.run.windows]
    requests = tuple(replace(r, phase=f"run {'abcde'[int(r.phase[-1]) - 1]}") for r in evidence.requests or ())
    return replace(with_windows(evidence, windows), requests=requests, chain=Chain())


def of_another_run(evidence: Evidence) -> Evidence:
    """Requests of a phase that the run does not have."""
    return replace(evidence, requests=tuple(replace(r, phase=f"other-{r.phase}") for r in evidence.requests or ()))


def scattered(share: float, evidence: Evidence) -> Evidence:
    """Tokens of the last repetition fewer by a share, so that its joules per token are more."""
    last = [w for w in evidence.run.windows if w.kind is PhaseKind.MEASURED][-1]
    fewer = replace(last, tokens=replace(last.tokens, output=int((last.tokens.output or 0) * (1 - share))))
    return with_windows(evidence, [fewer if w is last else w for w in evidence.run.windows])


def best_of_all(folder: Path) -> None:
    """The card claims the lowest repetition for its score."""
    path = folder / "energy" / "card.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    lowest = min(one["joules_per_1k_output_tokens"] for one in card["score"]["repetitions"])
    card["score"]["joules_per_1k_output_tokens"] = lowest
    path.write_text(json.dumps(card), encoding="utf-8")


ABSENT: Final = Verdict.CANNOT_TELL
SPOILS: Final[Sequence[Spoil]] = (
    Spoil("REP-1", "two repetitions", two_repetitions),
    Spoil("REP-1", "one aborted", aborted),
    Spoil("REP-1", "no warm-up of its own", cold),
    Spoil("REP-2", "two repetitions", two_repetitions),
    Spoil("REP-2", "a repetition left out", without_second),
    Spoil("REP-2", "left out and numbered anew", renumbered),
    Spoil("REP-2", "the best of all", files=best_of_all),
    Spoil("REP-2", "requests of another run", of_another_run),
    Spoil("REP-2", "aborted, listed, and enough are left", aborted, grades=("ES2",), verdict=Verdict.PASS),
    Spoil("REP-2", "no request log", no_log, verdict=ABSENT),
    Spoil("REP-2", "tokens not known", tokens(output=None), verdict=ABSENT),
    Spoil("REP-2", "nothing tells the order", unnumbered, verdict=ABSENT),
    Spoil("REP-3", "one repetition far off", lambda evidence: scattered(0.2, evidence)),
    Spoil("REP-3", "5 % in one of five", lambda evidence: scattered(0.06, evidence), grades=("ES2",)),
    Spoil("REP-3", "tokens not known", on_measured(lambda w: replace(w, tokens=replace(w.tokens, output=None))), verdict=ABSENT),
)
