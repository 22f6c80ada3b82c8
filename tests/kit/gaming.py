"""Bundles of people who want a better figure than they measured: each trick as it would be carried out, with the rule that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from joulemark.calibration.alignment import Alignment
from joulemark.cards import bundle
from joulemark.cards.evidence import Evidence
from joulemark.chain import FILES, MARK, Chain
from joulemark.energy.series import Series
from joulemark.pki import seal
from joulemark.readings import Boundary
from joulemark.request_log import Request, tallies
from joulemark.runs import IdleKind, PhaseKind, Window
from tests.kit import alignment, hands
from tests.kit.spoil import SEED, good, written

NS: Final = 1_000_000_000
STRANGER: Final = seal.signer(hands.STRANGER, role="agent")


@dataclass(frozen=True)
class Trick:
    """`rule` has to name it in the column `grade`, and the bundle comes to `level` and no higher. `make` writes it into a folder."""

    name: str
    rule: str
    grade: str
    level: str
    make: Callable[[Path], object]


def own(evidence: Evidence) -> Callable[[Path], object]:
    """A bundle that its author closes and signs with his own key, after he made the evidence what he wants it to be."""
    return lambda folder: bundle.write(folder, evidence, sign=STRANGER)


def on_disk(level: str, *changes: Callable[[Path], object]) -> Callable[[Path], object]:
    """A good bundle whose files are changed afterwards."""

    def make(folder: Path) -> None:
        written(folder, level)
        for change in changes:
            change(folder)

    return make


def real(evidence: Evidence) -> Evidence:
    """The meters do not say that they are simulated, and nothing is the kit's: what a laboratory of its own key would show."""
    return replace(believable(evidence), chain=replace(evidence.chain, receipts=()))


def believable(evidence: Evidence) -> Evidence:
    """The meters do not say that they are simulated; the receipts are those of the kit, whose key anybody has."""
    alignments = tuple(replace(one, sensor=unowned(one.sensor), reference=unowned(one.reference)) for one in evidence.alignments)
    return replace(evidence, series=tuple(map(unowned, evidence.series)), alignments=alignments)


def unowned(series: Series) -> Series:
    """A series whose meter does not say that it is simulated."""
    return replace(series, meter=replace(series.meter, simulated=False))


def narrowed(window: Window) -> Window:
    """The measured phase from a little later until a little earlier."""
    if window.kind is not PhaseKind.MEASURED:
        return window
    return replace(window, begin_ns=window.begin_ns + 4 * NS, end_ns=window.end_ns - 4 * NS)


def window_after_the_fact(evidence: Evidence) -> Evidence:
    """The phases are cut to the calmest part; the marks that were sent stay."""
    return replace(evidence, run=replace(evidence.run, windows=tuple(narrowed(w) for w in evidence.run.windows)))


def window_with_new_marks(evidence: Evidence) -> Evidence:
    """The phases are cut, and the chain is made again with marks that fit; of the receipts there are only the old ones."""
    cut = window_after_the_fact(evidence)
    edges = {(w.name, edge): at_ns for w in cut.run.windows for edge, at_ns in (("begin", w.begin_ns), ("end", w.end_ns))}
    made = Chain()
    for event in evidence.chain.events:
        data, t_ns = dict(event.data), event.t_ns
        if event.kind == MARK:
            at_ns = edges[str(data["phase"]), str(data["edge"])]
            data["utc_ns"], t_ns = at_ns, at_ns + 3_000_000
        made = made.appended(event.kind, data, t_ns=t_ns)
    return replace(cut, chain=replace(made, receipts=evidence.chain.receipts))


def warmed(evidence: Evidence) -> Evidence:
    """Until shortly before the first warm-up the node cools down from a load that nobody speaks of: idle looks dearer, the load cheaper."""
    idle = next(w for w in evidence.run.windows if w.idle_kind is IdleKind.READY)

    def cooling(one: Series) -> Series:
        if not one.meter.quantity.measures_energy:
            return one
        since_s = (one.t_ns - idle.begin_ns) / NS
        during = (since_s >= 0) & (one.t_ns <= idle.end_ns)
        more = np.where(during, 0.3 * np.exp(-np.maximum(since_s, 0.0) / 120.0), 0.0)
        return replace(one, value=np.round(one.value * (1.0 + more)).astype(np.int64))

    return replace(evidence, series=tuple(cooling(one) for one in evidence.series))


def dropped(evidence: Evidence) -> Evidence:
    """Every tenth request is forgotten."""
    assert evidence.requests is not None
    return replace(evidence, requests=tuple(one for one in evidence.requests if one.id % 10))


def swapped(evidence: Evidence) -> Evidence:
    """Tokens that went in are said to have come out, in the log and in the phases alike."""
    assert evidence.requests is not None

    def turned(one: Request) -> Request:
        return replace(one, input_tokens=one.output_tokens, output_tokens=one.input_tokens)

    windows = tuple(
        replace(w, tokens=replace(w.tokens, input=w.tokens.output, output=w.tokens.input)) if w.kind is PhaseKind.MEASURED else w
        for w in evidence.run.windows
    )
    return replace(evidence, run=replace(evidence.run, windows=windows), requests=tuple(turned(one) for one in evidence.requests))


def old_alignment(evidence: Evidence) -> Evidence:
    """The alignment is one from before the firmware of the BMC was changed."""
    records = [(one, one.record.binding) for one in evidence.alignments]
    changed = tuple(replace(one, record=replace(one.record, binding=replace(binding, bmc_firmware="01.04.00"))) for one, binding in records)
    return replace(evidence, alignments=changed)


def borrowed_certificate(evidence: Evidence) -> Evidence:
    """The certificate is that of another instrument of the same model."""

    def lent(one: Series) -> Series:
        certificate = one.meter.certificate
        return one if certificate is None else replace(one, meter=replace(one.meter, certificate=replace(certificate, serial="C2XL99999V")))

    return replace(evidence, series=tuple(lent(one) for one in evidence.series))


def played(evidence: Evidence) -> Evidence:
    """A recorded trace is played, and said to be real."""
    return replace(
        evidence, series=tuple(replace(one, meter=replace(one.meter, kind="replay", simulated=False)) for one in evidence.series)
    )


def aligned_to_nothing(evidence: Evidence) -> Evidence:
    """The sensor is aligned with a meter that was invented."""
    kept = tuple(
        replace(one, reference=replace(one.reference, meter=replace(one.reference.meter, kind="fake"))) for one in evidence.alignments
    )
    return replace(evidence, alignments=kept)


def one_cord(evidence: Evidence) -> Evidence:
    """The second channel of the analyser is left out: half of the power is not counted."""
    kept = tuple(one for one in real(evidence).series if ":ch2" not in one.meter.meter_id)
    return replace(evidence, series=kept)


def recorded(evidence: Evidence, change: Callable[[Alignment], Alignment]) -> Evidence:
    """Every record of an alignment changed, its readings left as they are."""
    return replace(evidence, alignments=tuple(replace(one, record=change(one.record)) for one in evidence.alignments))


def aligned_afterwards(evidence: Evidence) -> Evidence:
    """The alignment was made two days after the run, and is dated the day before it."""
    (before,) = evidence.alignments
    end_ns = max(window.end_ns for window in evidence.run.windows)
    late = alignment.made(SEED, before_ns=end_ns + 3 * alignment.DAY_S * NS)
    dates = {"made_ns": before.record.made_ns, "expires_ns": before.record.expires_ns, "binding": before.record.binding}
    return replace(evidence, alignments=(replace(late, record=replace(late.record, **dates)),))


def tokens_invented(evidence: Evidence) -> Evidence:
    """Half as many tokens again came out, by the phases, the log and the engine alike; the second count is an honest one."""
    assert evidence.requests is not None
    assert evidence.workload is not None
    requests = tuple(replace(one, output_tokens=(one.output_tokens or 0) * 3 // 2) for one in evidence.requests)
    sums = tallies(requests)
    windows = tuple(
        replace(w, tokens=replace(w.tokens, output=sums[w.name].output_tokens)) if w.kind is PhaseKind.MEASURED else w
        for w in evidence.run.windows
    )
    counts = tuple(replace(one, output_tokens=sums[one.phase].output_tokens) for one in evidence.workload.engine_counts)
    work = replace(evidence.workload, engine_counts=counts)
    return replace(evidence, run=replace(evidence.run, windows=windows), requests=requests, workload=work)


def warm_up_counted(evidence: Evidence) -> Evidence:
    """Every tenth request of a phase was answered in its warm-up, before the energy was counted."""
    assert evidence.requests is not None
    begin_ns = {window.name: window.begin_ns for window in evidence.run.windows}

    def earlier(one: Request) -> Request:
        at_ns = begin_ns[one.phase] - 20 * NS
        return replace(one, begin_ns=at_ns, end_ns=at_ns + 5 * NS) if one.id % 10 == 5 else one

    return replace(evidence, requests=tuple(map(earlier, evidence.requests)))


def in_milliwatts(evidence: Evidence) -> Evidence:
    """The node's meter says that its watts are milliwatts."""

    def less(one: Series) -> Series:
        node = one.meter.boundary is Boundary.SERVER_INPUT and one.meter.quantity.measures_energy
        return replace(one, meter=replace(one.meter, exponent=one.meter.exponent - 3)) if node else one

    return replace(evidence, series=tuple(map(less, evidence.series)))


def other_limits(folder: Path) -> None:
    """An edition of the standard with weaker limits lies beside the readings."""
    place = folder / "energy" / "editions" / "1.0" / "unc.toml"
    place.parent.mkdir(parents=True)
    place.write_text('[[rule]]\nid = "UNC-3"\nlimits = { ES1 = { u95_rel_max = 0.5 } }\n', encoding="utf-8")


def unnamed(folder: Path) -> None:
    """A bundle that names no edition, whose card says half the energy."""
    bundle.write(folder, replace(real(good("ES1")), rule_set=None), sign=STRANGER)
    raised(folder)


def forged(folder: Path) -> None:
    """A signature that nobody's key made, under the name of a key that counts."""
    hands.edited(folder, hands.CHAIN, lambda chain: chain["signatures"][0].update(signature="A" * 86 + "=="))


def rechained(folder: Path) -> None:
    """The hashes in the chain are made again after the readings, and the manifest after the chain; the key is somebody else's."""
    hands.rechain(folder, hands.chain_in(folder))


def unsealed(folder: Path) -> None:
    """As above, and the signature is left out: nobody vouches for the bundle."""
    chain = hands.chain_in(folder)
    assert chain.events[-1].kind == FILES
    hands.rechain(folder, replace(chain, signatures=()))


def raised(folder: Path) -> None:
    """The card says half the energy."""

    def halve(card: dict[str, dict[str, float]]) -> None:
        card["headline"]["energy_j"] /= 2

    hands.edited(folder, "energy/card.json", halve)


def stood_in(folder: Path) -> None:
    """A card that claims the highest level by itself."""
    path = folder / "energy" / "card.json"
    card = json.loads(path.read_text())
    hands.overwritten(folder, "energy/card.json", json.dumps({**card, "level": "ES2", "level_reason": ""}).encode())


TRICKS: Final = (
    Trick("window chosen after the fact", "PHA-7", "ES1", "ES0", own(window_after_the_fact(real(good("ES1"))))),
    Trick("window chosen after the fact, with new marks", "INT-7", "ES1", "INVALID", own(window_with_new_marks(believable(good("ES1"))))),
    Trick("warmed idle", "PHA-3", "ES1", "ES0", own(warmed(real(good("ES1"))))),
    Trick("dropped requests", "TOK-5", "ES1", "ES0", own(dropped(real(good("ES1"))))),
    Trick("swapped token counts", "TOK-4", "ES1", "ES0", own(swapped(real(good("ES1"))))),
    Trick("forged signature", "INT-7", "ES1", "INVALID", on_disk("ES1", forged)),
    Trick("unknown key", "INT-7", "ES2", "ES1", own(real(good("ES2")))),
    Trick("receipts of the kit", "INT-6", "ES2", "ES0", own(believable(good("ES2")))),
    Trick("re-used calibration", "CAL-6", "ES1", "ES0", own(old_alignment(real(good("ES1"))))),
    Trick("certificate of another serial", "MET-6", "ES2", "ES0", own(borrowed_certificate(real(good("ES2"))))),
    Trick("simulated meter flagged real", "INT-6", "ES1", "ES0", own(played(good("ES1")))),
    Trick("simulated reference", "INT-6", "ES1", "ES0", own(aligned_to_nothing(real(good("ES1"))))),
    Trick("edited raw file with a re-hashed manifest", "INT-1", "ES1", "INVALID", on_disk("ES1", hands.lowered, hands.rehash)),
    Trick("edited raw file, chain made again", "INT-7", "ES1", "INVALID", on_disk("ES1", hands.lowered, rechained)),
    Trick("edited raw file, chain made again, unsigned", "INT-2", "ES1", "INVALID", on_disk("ES1", hands.lowered, unsealed)),
    Trick("one cord left out", "SCO-4", "ES2", "ES0", own(one_cord(good("ES2")))),
    Trick("an edition of one's own", "INT-3", "ES1", "ES0", own(replace(real(good("ES1")), rule_set="1.1"))),
    Trick("weaker limits in the bundle", "INT-1", "ES1", "ES0", on_disk("ES1", other_limits)),
    Trick("aligned after the run", "CAL-6", "ES1", "ES0", own(aligned_afterwards(real(good("ES1"))))),
    Trick("a perfect reference", "CAL-1", "ES1", "ES0", own(recorded(real(good("ES1")), lambda one: replace(one, reference_u_rel=0.0)))),
    Trick("invented tokens", "TOK-2", "ES1", "ES0", own(tokens_invented(real(good("ES1"))))),
    Trick("requests of the warm-up", "TOK-3", "ES1", "ES0", own(warm_up_counted(real(good("ES1"))))),
    Trick("watts as milliwatts", "PHA-8", "ES1", "ES0", own(in_milliwatts(real(good("ES1"))))),
    Trick("half the energy, and no edition", "INT-2", "ES1", "INVALID", unnamed),
    Trick("half the energy on the card", "INT-2", "ES1", "INVALID", on_disk("ES1", raised)),
)
