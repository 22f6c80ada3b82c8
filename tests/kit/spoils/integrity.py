"""What may be wrong by the rules INT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from joulemark.cards.evidence import Evidence
from joulemark.chain import Chain
from joulemark.meter_log import Complaint, Message
from joulemark.node import Build
from joulemark.standard.verdict import Verdict
from tests.kit import hands
from tests.kit.spoil import Spoil

NS: Final = 1_000_000_000
Change = Callable[[Evidence], Evidence]
Hand = Callable[[Path], None]


def builds(*made: Build) -> Change:
    """The programs that took part are these."""
    return lambda evidence: replace(evidence, nodes=replace(evidence.nodes, builds=made))


def build_with(**changed: str) -> Change:
    """The first build is another."""

    def change(evidence: Evidence) -> Evidence:
        first, *rest = evidence.nodes.builds
        return replace(evidence, nodes=replace(evidence.nodes, builds=(replace(first, **changed), *rest)))

    return change


def complaint(what: Complaint, *, after_s: float, of_end: bool = False) -> Change:
    """One meter complained `after_s` after the first measured phase began, or ended."""

    def change(evidence: Evidence) -> Evidence:
        window = evidence.run.measured[0]
        t_ns = (window.end_ns if of_end else window.begin_ns) + round(after_s * NS)
        assert evidence.meter_log is not None
        message = Message(evidence.series[0].meter.meter_id, t_ns, what, "Uncertainty 45.00%, which is above 1.00% limit")
        return replace(evidence, meter_log=replace(evidence.meter_log, messages=(message,)))

    return change


def deaf(evidence: Evidence) -> Evidence:
    """Nobody listened to the meters of the headline."""
    assert evidence.meter_log is not None
    return replace(evidence, meter_log=replace(evidence.meter_log, heard=evidence.meter_log.heard[-1:]))


def unmarked(evidence: Evidence) -> Evidence:
    """The chain lacks the last two marks."""
    made = Chain()
    for event in evidence.chain.events[:-2]:
        made = made.appended(event.kind, event.data, t_ns=event.t_ns)
    return replace(evidence, chain=replace(made, receipts=evidence.chain.receipts))


def of_other_run(evidence: Evidence) -> Evidence:
    """The phases are those of a run with another id than the chain has."""
    return replace(evidence, run=replace(evidence.run, run_id="019a0000-0000-7000-8000-00000000beef"))


def card(change: Callable[[dict[str, Any]], Any]) -> Hand:
    """The card is edited and the manifest made again."""
    return lambda folder: hands.edited(folder, "energy/card.json", change)


def doubled(card: dict[str, Any]) -> None:
    card["headline"]["energy_j"] *= 1 + 2e-6


def halved(card: dict[str, Any]) -> None:
    amount = card["phases"][0 if "cost" in card["phases"][0] else 3]["cost"]["market"]
    amount["amount"] = str(float(amount["amount"]) / 2)


def one_nanosecond(card: dict[str, Any]) -> None:
    card["phases"][0]["begin_ns"] += 1


def hidden(card: dict[str, Any]) -> None:
    card["headline"]["phases"].append("measured-99")
    card["phases"].append({"name": "measured-99", "energy_j": 1.0})


def flattered(folder: Path) -> None:
    hands.edited(folder, "energy_summary.json", lambda summary: summary.update(energy_per_request_j=1.0))


def unsigned(chain: dict[str, Any]) -> None:
    chain["signatures"] = []


def almost(card: dict[str, Any]) -> None:
    card["headline"]["energy_j"] *= 1 + 0.9e-6


def levelled(card: dict[str, Any]) -> None:
    card["level"] = "ES2"


def document(name: str, change: Callable[[dict[str, Any]], Any]) -> Hand:
    """A document is edited and the manifest made again."""
    return lambda folder: hands.edited(folder, f"energy/{name}.json", change)


def absent(path: str) -> Hand:
    """A file is gone, and nothing else is changed."""
    return lambda folder: (folder / path).unlink()


def extra(folder: Path) -> None:
    (folder / "energy" / "note.txt").write_text("not listed", encoding="utf-8")


def rehashed(folder: Path) -> None:
    hands.lowered(folder)
    hands.rehash(folder)


def meters(keep: Callable[[Evidence, int], Any]) -> Change:
    """Every meter is changed."""
    return lambda evidence: replace(
        evidence, series=tuple(replace(one, meter=keep(evidence, place)) for place, one in enumerate(evidence.series))
    )


def real(evidence: Evidence) -> Evidence:
    """The meters of a kit bundle deny that they are simulated."""
    return replace(evidence, series=tuple(replace(one, meter=replace(one.meter, simulated=False)) for one in evidence.series))


SPOILS: Final[Sequence[Spoil]] = (
    Spoil("INT-1", "a byte of a reading changed", files=hands.lowered),
    Spoil("INT-1", "a listed file missing", files=absent("energy/clock.json")),
    Spoil("INT-1", "a file not listed", files=extra),
    Spoil("INT-1", "edited reading with a manifest made again", files=rehashed),
    Spoil("INT-1", "another root", files=document("manifest", lambda m: m.update(root_sha256="0" * 64))),
    Spoil("INT-1", "no manifest", files=absent("energy/manifest.json"), verdict=Verdict.CANNOT_TELL),
    Spoil("INT-2", "energy two millionths larger", files=card(doubled)),
    Spoil("INT-2", "a cost halved", files=card(halved)),
    Spoil("INT-2", "a phase one nanosecond later", files=card(one_nanosecond)),
    Spoil("INT-2", "a repetition that never was", files=card(hidden)),
    Spoil("INT-2", "another scope", files=card(lambda c: c.update(scope="RACK_AC"))),
    Spoil(
        "INT-2",
        "a summary that flatters",
        files=lambda f: hands.edited(f, "energy_summary.json", lambda s: s.update(energy_per_request_j=1.0)),
    ),
    Spoil("INT-2", "energy less than a millionth larger", files=card(almost), verdict=Verdict.PASS),
    Spoil("INT-2", "a level claimed", files=card(levelled), verdict=Verdict.PASS),
    Spoil("INT-2", "no card", files=hands.without("energy/card.json"), verdict=Verdict.CANNOT_TELL),
    Spoil("INT-3", "an edition that never was", evidence=lambda e: replace(e, rule_set="9.7")),
    Spoil("INT-3", "the card says another", files=card(lambda c: c.update(rule_set="0.9"))),
    Spoil("INT-3", "no edition", evidence=lambda e: replace(e, rule_set=None), verdict=Verdict.CANNOT_TELL),
    Spoil("INT-4", "an unknown schema", files=document("collection", lambda d: d.update(schema="joulemark.collection/7"))),
    Spoil("INT-4", "no schema", files=document("manifest", lambda d: d.pop("schema"))),
    Spoil("INT-4", "a list where an object was, as one checker met it", files=document("clock", lambda d: d.update(hosts=[]))),
    Spoil("INT-4", "a card with a throughput that nobody defined", files=card(lambda c: c["headline"].update(tokens_per_s=1.0))),
    Spoil("INT-4", "a card without its headline", files=card(lambda c: c.pop("headline"))),
    Spoil("INT-4", "a card that is no JSON", files=lambda f: hands.overwritten(f, "energy/card.json", b"{")),
    Spoil("INT-5", "no collector", evidence=builds(Build("agent", "node-1", "1", "11" * 32))),
    Spoil("INT-5", "a digest that is none", evidence=build_with(source_sha256="deadbeef")),
    Spoil("INT-5", "no version", evidence=build_with(version="")),
    Spoil("INT-5", "no builds", evidence=builds(), verdict=Verdict.CANNOT_TELL),
    Spoil("INT-6", "simulated meters without the kit's key", evidence=lambda e: replace(e, chain=Chain())),
    Spoil("INT-6", "a kit bundle that says it is real", evidence=real),
    Spoil("INT-7", "a mark moved", files=document("chain", lambda c: c["events"][3].update(t_ns=c["events"][3]["t_ns"] + 1))),
    Spoil("INT-7", "two marks left out", evidence=unmarked),
    Spoil("INT-7", "a chain of another run", evidence=of_other_run),
    Spoil("INT-7", "a forged signature", files=document("chain", lambda c: c["signatures"][0].update(signature="A" * 86 + "=="))),
    Spoil("INT-7", "a stranger's signature", files=hands.signed_by_a_stranger, grades=("ES2",)),
    Spoil("INT-7", "a stranger's signature below ES2", files=hands.signed_by_a_stranger, grades=("ES1",), verdict=Verdict.WARN),
    Spoil("INT-7", "no signature", files=document("chain", unsigned), grades=("ES2",), verdict=Verdict.CANNOT_TELL),
    Spoil("INT-7", "no signature below ES2", files=document("chain", unsigned), grades=("ES1",), verdict=Verdict.WARN),
    Spoil("INT-7", "no chain", evidence=lambda e: replace(e, chain=Chain()), verdict=Verdict.CANNOT_TELL),
    Spoil("INT-8", "uncertainty of 45 percent", evidence=complaint(Complaint.UNCERTAINTY, after_s=20.0)),
    Spoil("INT-8", "over range at the begin", evidence=complaint(Complaint.OVER_RANGE, after_s=0.0)),
    Spoil("INT-8", "an error about the last reading", evidence=complaint(Complaint.ERROR, after_s=0.99, of_end=True)),
    Spoil("INT-8", "an error before the phase", evidence=complaint(Complaint.ERROR, after_s=-0.01), verdict=Verdict.PASS),
    Spoil("INT-8", "an error after the phase", evidence=complaint(Complaint.ERROR, after_s=1.01, of_end=True), verdict=Verdict.PASS),
    Spoil("INT-8", "a missed sample", evidence=complaint(Complaint.MISSED_SAMPLE, after_s=20.0), verdict=Verdict.PASS),
    Spoil("INT-8", "nobody listened", evidence=deaf, verdict=Verdict.CANNOT_TELL),
    Spoil("INT-8", "no meter log", evidence=lambda e: replace(e, meter_log=None), verdict=Verdict.CANNOT_TELL),
    Spoil("INT-9", "a number without a unit", files=document("collection", lambda d: d.update(delay=3))),
)
