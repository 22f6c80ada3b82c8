"""Rules PHA at the edges of their limits, and on phases as they come in practice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence
from joulemark.chain import MARK, PLACED, Chain, moved_name
from joulemark.energy.series import Float64
from joulemark.pki import seal
from joulemark.readings import Quantity
from joulemark.runs import IdleKind, PhaseKind, Window
from joulemark.standard.case import Case
from joulemark.standard.edition import edition
from joulemark.standard.trust import Key, Trust
from joulemark.standard.verdict import Verdict
from tests.kit.lab import KIT_KEY, receipt
from tests.kit.limits import at_most, cell, outcome
from tests.kit.spoil import TRUST, good
from tests.kit.spoils.phase import (
    IDLE,
    NS,
    aborted,
    cold_start,
    drifting,
    higher,
    on_series,
    on_windows,
    power,
    scattered,
    shortened,
    span,
    warmer,
    without_series,
)
from tests.kit.spoils.phase import of_gpu as on_gpu
from tests.kit.spoils.repetition import with_windows, without

Change = Callable[[Evidence], Evidence]


def case(level: str, *changes: Change, trust: Trust = TRUST) -> Case:
    """The good evidence of a level, changed; nothing is written or signed."""
    evidence = good(level)
    for change in changes:
        evidence = change(evidence)
    return Case(Path("."), evidence, trust=trust)


def test_limits_are_those_of_the_standard() -> None:
    """The numbers that the checks compare with are the ones in the cells of the table."""
    es1, es2 = ({rule.id: cell(rule, grade) for rule in edition().rules} for grade in ("ES1", "ES2"))
    assert list(es1["PHA-2"].values()) == [120, 60, 120, 30, 60]
    assert list(es2["PHA-2"].values()) == [300, 120, 600, 60, 120]
    idle = ("cv_rel", "slope_rel_per_min", "utilization_share", "temperature_k_per_min")
    assert [es1["PHA-3"][name] for name in idle] == [0.03, 0.02, 0.01, 1]
    assert [es2["PHA-3"][name] for name in idle] == [0.02, 0.01, 0.01, 1]
    assert (es1["PHA-4"]["change_rel"], es2["PHA-4"]["change_rel"]) == (0.05, 0.03)
    assert (es1["PHA-5"]["slope_rel_per_min"], es2["PHA-5"]["slope_rel_per_min"], es2["PHA-5"]["temperature_k_per_min"]) == (0.03, 0.01, 1)
    assert (es1["PHA-5"]["before_s"], es2["PHA-5"]["before_s"]) == (60, 120)
    assert (es1["PHA-6"]["edge_s"], es2["PHA-6"]["edge_s"]) == (0.25, 0.05)
    assert es2["PHA-7"]["receipt_s"] == 300
    assert es1["PHA-8"]["beyond_span"] == 0.1


@pytest.mark.parametrize("grade", ["ES1", "ES2"])
@pytest.mark.parametrize("kind", [PhaseKind.IDLE_BEFORE, PhaseKind.WARMUP, PhaseKind.MEASURED, PhaseKind.COOLDOWN, PhaseKind.IDLE_AFTER])
def test_a_phase_may_be_as_short_as_its_limit(grade: str, kind: PhaseKind) -> None:
    """Each phase passes at exactly its least seconds and fails one nanosecond below (PHA-2)."""
    least_s = edition().rule("PHA-2").limit(grade, f"{kind}_s")
    assert outcome(case(grade, shortened(kind, least_s)), "PHA-2", grade).verdict is Verdict.PASS
    assert outcome(case(grade, shortened(kind, least_s - 1e-9)), "PHA-2", grade).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("rule", "name", "change"),
    [
        ("PHA-3", "cv_rel", power(scattered(0.01), *IDLE)),
        ("PHA-3", "slope_rel_per_min", power(drifting(0.01), *IDLE)),
        ("PHA-3", "utilization_share", on_series(on_gpu(Quantity.UTILIZATION), lambda s: replace(s, value=s.value + 1))),
        ("PHA-3", "temperature_k_per_min", on_series(on_gpu(Quantity.TEMPERATURE), warmer(0.5))),
        ("PHA-4", "change_rel", power(higher(0.02), PhaseKind.IDLE_AFTER)),
        ("PHA-5", "slope_rel_per_min", power(drifting(0.02), PhaseKind.WARMUP)),
        ("PHA-5", "slope_rel_per_min", cold_start(0.025)),
    ],
)
def test_a_value_at_its_limit_passes_and_beyond_it_fails(rule: str, name: str, change: Change) -> None:
    """A limit that is exactly the measured value is kept; the next smaller number is not."""
    at, beyond = at_most(case("ES1", change), rule, "ES1", name, name)
    assert (at.verdict, beyond.verdict) == (Verdict.PASS, Verdict.FAIL)


@pytest.mark.parametrize(("per_min", "verdict"), [(0.0193, Verdict.PASS), (0.0205, Verdict.FAIL)])
def test_idle_that_drifts_around_the_limit(per_min: float, verdict: Verdict) -> None:
    """A drift of idle power just below 2 % a minute passes at ES1, just above it fails: the slope is per minute and of the mean."""
    found = outcome(case("ES1", power(drifting(per_min), *IDLE)), "PHA-3", "ES1", cv_rel=1.0)
    assert found.verdict is verdict, found


def test_idle_of_two_levels_scatters() -> None:
    """Power that jumps by 3.2 % has a CV beyond 3 %, by 2.8 % not (PHA-3)."""
    assert outcome(case("ES1", power(scattered(0.032), *IDLE)), "PHA-3", "ES1").verdict is Verdict.FAIL
    assert outcome(case("ES1", power(scattered(0.028), *IDLE)), "PHA-3", "ES1").verdict is Verdict.PASS


def test_only_the_end_of_idle_before_has_to_be_still() -> None:
    """What idle_before did before its last 120 s is not looked at; idle_after is looked at as a whole at ES1 (PHA-3)."""

    def early(before_end_s: Float64, _: Window) -> Float64:
        return np.where(before_end_s > 121.0, 1.3, 1.0)

    assert outcome(case("ES1", power(early, PhaseKind.IDLE_BEFORE)), "PHA-3", "ES1").verdict is Verdict.PASS
    assert outcome(case("ES1", power(early, PhaseKind.IDLE_AFTER)), "PHA-3", "ES1").verdict is Verdict.FAIL
    assert outcome(case("ES2", power(early, PhaseKind.IDLE_AFTER)), "PHA-3", "ES2").verdict is Verdict.PASS


def test_a_gpu_without_witness_is_not_taken_for_idle() -> None:
    """One of two GPUs without its utilization leaves the rule open; a node without GPUs needs none."""
    first = good("ES1").nodes.nodes[0].gpus or ()
    lame = without_series(lambda one: one.meter.quantity is Quantity.UTILIZATION and first[0].uuid in one.meter.covers)
    assert outcome(case("ES1", lame), "PHA-3", "ES1").verdict is Verdict.CANNOT_TELL

    def cpus_alone(evidence: Evidence) -> Evidence:
        nodes = tuple(replace(node, gpus=()) for node in evidence.nodes.nodes)
        return replace(evidence, nodes=replace(evidence.nodes, nodes=nodes))

    blind = without_series(lambda one: one.meter.quantity in (Quantity.UTILIZATION, Quantity.TEMPERATURE))
    assert outcome(case("ES1", cpus_alone, blind), "PHA-3", "ES1").verdict is Verdict.PASS


def test_what_fails_fails_though_something_else_is_unknown() -> None:
    """Missing evidence does not cover what is plainly wrong."""
    blind = without_series(on_gpu(Quantity.UTILIZATION))
    assert outcome(case("ES1", blind, power(scattered(0.2), *IDLE)), "PHA-3", "ES1").verdict is Verdict.FAIL


def test_only_the_same_kind_of_idle_is_compared() -> None:
    """Idle without engine draws 14 % less than idle_ready; since its kind says so, the comparison does not see it (PHA-4)."""
    found = outcome(case("ES1"), "PHA-4", "ES1")
    assert found.verdict is Verdict.PASS
    ready = [replace(w, idle_kind=IdleKind.READY) if w.kind in IDLE else w for w in good("ES1").run.windows]
    unmarked = case("ES1", lambda e: with_windows(e, ready))
    assert outcome(unmarked, "PHA-4", "ES1").verdict is Verdict.FAIL


def test_load_that_began_too_late_is_looked_at_in_the_repetition() -> None:
    """Where the warm-up is shorter than the stretch looked at, seconds 30 to 150 of the repetition are looked at instead (PHA-5)."""
    short = case("ES1", power(drifting(0.06), PhaseKind.WARMUP))
    assert outcome(short, "PHA-5", "ES1").verdict is Verdict.FAIL
    assert outcome(short, "PHA-5", "ES1", before_s=120.0).verdict is Verdict.PASS


def moved(side: str, by_s: float) -> Change:
    """One edge of each measured phase moved."""
    return on_windows(lambda window: replace(window, **{side: getattr(window, side) + round(by_s * NS)}), PhaseKind.MEASURED)


@pytest.mark.parametrize(("grade", "edge_s"), [("ES1", 0.25), ("ES2", 0.05)])
def test_edges_of_the_window(grade: str, edge_s: float) -> None:
    """A window is that of its requests up to the clock's limit, at either edge; a millisecond more and it is not (PHA-6)."""
    spare_s = edge_s - 0.01
    for sign, side in ((-1, "begin_ns"), (1, "end_ns")):
        for more_s, verdict in ((-0.001, Verdict.PASS), (0.001, Verdict.FAIL)):
            found = outcome(case(grade, moved(side, sign * (spare_s + more_s))), "PHA-6", grade)
            assert found.verdict is verdict, (side, more_s, found)


@pytest.mark.parametrize(("delay_s", "verdict"), [(59.999, Verdict.PASS), (60.001, Verdict.FAIL), (-60.001, Verdict.FAIL)])
def test_a_mark_has_to_come_as_it_happens(delay_s: float, verdict: Verdict) -> None:
    """A mark may be heard of up to the working value after its moment; one that came before it is no better (PHA-7)."""
    evidence = good("ES1")
    events = evidence.chain.events
    place = next(n for n, event in enumerate(events) if event.data.get("phase") == "idle_after" and event.data.get("edge") == "end")
    chain = replace(evidence.chain, events=events[:place], receipts=())
    for event in events[place:]:
        utc_ns = event.data["utc_ns"]
        assert isinstance(utc_ns, int)
        chain = chain.appended(event.kind, event.data, t_ns=utc_ns + round(delay_s * NS))
    found = outcome(Case(Path("."), replace(evidence, chain=chain)), "PHA-7", "ES1")
    assert found.verdict is verdict, found


def test_a_receipt_of_a_later_mark_holds_for_the_ones_before() -> None:
    """The receipt of an end mark is no receipt of the begin unless it came within 300 s of it: 610 s are too many (PHA-7)."""
    evidence = good("ES2")
    ends = tuple(one for one in evidence.chain.receipts if evidence.chain.events[one.seq].data.get("edge") == "end")
    only_ends = Case(Path("."), replace(evidence, chain=replace(evidence.chain, receipts=ends)), trust=TRUST)
    assert outcome(only_ends, "PHA-7", "ES2").verdict is Verdict.FAIL
    assert outcome(only_ends, "PHA-7", "ES2", receipt_s=620.0).verdict is Verdict.PASS


@pytest.mark.parametrize(("role", "counts"), [("board", True), ("kit", True), ("agent", False), ("collector", False)])
def test_only_an_authority_gives_receipts(role: str, counts: bool) -> None:
    """A key that is trusted as agent or collector signs its own marks, and gives no receipt of them (PHA-7)."""
    trust = Trust((Key(seal.public_text(KIT_KEY), role),))
    assert outcome(case("ES2", trust=trust), "PHA-7", "ES2").verdict is (Verdict.PASS if counts else Verdict.FAIL)


def test_a_receipt_of_another_chain_proves_nothing() -> None:
    """Receipts that are true, but of other events, do not count (PHA-7)."""
    evidence = good("ES2")
    other = good("ES1").chain
    strange = tuple(receipt(replace(other, events=other.events[: n + 1]), t_ns=evidence.chain.events[n].t_ns) for n in range(10))
    found = outcome(Case(Path("."), replace(evidence, chain=replace(evidence.chain, receipts=strange)), trust=TRUST), "PHA-7", "ES2")
    assert found.verdict is Verdict.FAIL


def test_the_span_reaches_a_tenth_beyond_its_highest_plateau() -> None:
    """The mean raw reading may lie a tenth of the span above the highest plateau, and not below the lowest (PHA-8)."""
    found = outcome(case("ES1"), "PHA-8", "ES1").measured
    assert isinstance(found, dict)
    lowest_w, highest_w = found["lowest_w"], found["highest_w"]
    low_w = 400.0
    top_w = low_w + (highest_w - low_w) / 1.1
    assert outcome(case("ES1", span(low_w, top_w + 0.01)), "PHA-8", "ES1").verdict is Verdict.PASS
    assert outcome(case("ES1", span(low_w, top_w - 0.01)), "PHA-8", "ES1").verdict is Verdict.FAIL
    assert outcome(case("ES1", span(lowest_w, 2400.0)), "PHA-8", "ES1").verdict is Verdict.PASS
    assert outcome(case("ES1", span(lowest_w + 0.01, 2400.0)), "PHA-8", "ES1").verdict is Verdict.FAIL


def test_other_phases_stand_anywhere_but_not_across() -> None:
    """A phase of another kind may stand between the others, not over one of them; an aborted repetition may lack its cooldown (PHA-1)."""
    evidence = good("ES1")
    first = evidence.run.windows[0]
    lead = replace(first, name="lead", kind=PhaseKind.OTHER, begin_ns=first.begin_ns - 20 * NS, end_ns=first.begin_ns, idle_kind=None)
    before = with_windows(evidence, [lead, *evidence.run.windows])
    assert outcome(Case(Path("."), before), "PHA-1", "ES1").verdict is Verdict.PASS
    across = with_windows(evidence, [replace(lead, end_ns=first.begin_ns + 1), *evidence.run.windows])
    assert outcome(Case(Path("."), across), "PHA-1", "ES1").verdict is Verdict.FAIL
    assert outcome(Case(Path("."), aborted(evidence)), "PHA-1", "ES1").verdict is Verdict.PASS


@pytest.mark.parametrize("rule", [rule.id for rule in edition().rules if rule.group == "PHA"])
def test_nothing_can_be_told_of_nothing(rule: str) -> None:
    """A bundle without run or readings passes no rule, and fails none: it cannot be told."""
    assert outcome(Case(Path("."), None), rule, "ES1").verdict is Verdict.CANNOT_TELL
    bare = case("ES1", lambda e: without(e, *(w.name for w in e.run.windows if w.kind is not PhaseKind.OTHER)))
    assert outcome(bare, rule, "ES1").verdict in (Verdict.CANNOT_TELL, Verdict.FAIL)


def test_idle_without_a_request_log_is_not_seen_to_be_idle() -> None:
    """Without the log of requests nobody can say that none was under way while idle (PHA-9)."""
    assert outcome(Case(Path("."), replace(good("ES1"), requests=None)), "PHA-9", "ES1").verdict is Verdict.CANNOT_TELL


def moved_by(ns: int) -> Change:
    """Each phase begins and ends later than the client said, by what its clock was off; the chain says so at its end."""

    def change(evidence: Evidence) -> Evidence:
        marks = evidence.chain.of_kind(MARK)
        times: dict[str, str | int | None] = {moved_name(event.seq): int(event.data["utc_ns"] or 0) + ns for event in marks}
        chain = replace(evidence.chain.appended(PLACED, times, t_ns=evidence.chain.events[-1].t_ns), receipts=evidence.chain.receipts)
        windows = [replace(w, begin_ns=w.begin_ns + ns, end_ns=w.end_ns + ns) for w in evidence.run.windows]
        return replace(with_windows(evidence, windows), chain=chain)

    return change


@pytest.mark.parametrize(("grade", "limit_ns"), [("ES1", 250_000_000), ("ES2", 50_000_000)])
def test_marks_moved_onto_the_collectors_axis(grade: str, limit_ns: int) -> None:
    """PHA-7: the clock of a client is corrected by what its agent's clock states allow, and no window is chosen by that."""
    assert outcome(case(grade, moved_by(limit_ns)), "PHA-7", grade).verdict is Verdict.PASS
    assert outcome(case(grade, moved_by(limit_ns + 1)), "PHA-7", grade).verdict is Verdict.FAIL


def older(evidence: Evidence, *, span_w: tuple[float, ...], workload: str = "gpu-burn") -> Evidence:
    """Beside the alignment in use one of long ago, of another span and another workload, listed last."""
    (aligned,) = evidence.alignments
    record = aligned.record
    assert record.held_out is not None
    plateaus = tuple(replace(one, workload=workload) for one in record.plateaus)
    past = {"alignment_id": "long-ago", "made_ns": record.made_ns - 400 * 86400 * NS, "expires_ns": record.made_ns - 300 * 86400 * NS}
    other = replace(record, span_w=span_w, plateaus=plateaus, held_out=replace(record.held_out, workload=workload), **past)
    return replace(evidence, alignments=(aligned, replace(aligned, record=other)))


def test_the_span_is_that_of_the_alignment_in_use() -> None:
    """PHA-8: an expired alignment of another span neither helps nor harms."""
    wide, narrow = (1.0, 1e6), (1.0, 2.0)
    assert outcome(case("ES1", lambda e: older(e, span_w=narrow)), "PHA-8", "ES1").verdict is Verdict.PASS
    assert outcome(case("ES1", lambda e: older(span(1.0, 2.0)(e), span_w=wide)), "PHA-8", "ES1").verdict is Verdict.FAIL


def test_a_chain_that_names_no_run() -> None:
    """PHA-6: without the id of the run in the chain nothing says that energy and performance are of one run."""

    def nameless(evidence: Evidence) -> Evidence:
        chain = Chain()
        for event in evidence.chain.of_kind(MARK):
            chain = chain.appended(MARK, event.data, t_ns=event.t_ns)
        return replace(evidence, chain=chain)

    assert outcome(case("ES1", nameless), "PHA-6", "ES1").verdict is Verdict.CANNOT_TELL
