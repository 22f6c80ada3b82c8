"""What may be wrong by the rules PHA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark.cards.evidence import Evidence
from joulemark.chain import MARK, Chain
from joulemark.energy.series import Float64, Series
from joulemark.node import Survey
from joulemark.pki import seal
from joulemark.readings import Boundary, Quantity
from joulemark.runs import ClockKind, IdleKind, PhaseKind, Window
from joulemark.standard.verdict import Verdict
from tests.kit.lab import receipt
from tests.kit.spoil import Spoil
from tests.kit.spoils.repetition import marked, with_windows, without
from tests.kit.spoils.token import no_log

Change = Callable[[Evidence], Evidence]
NS: Final = 1_000_000_000
IDLE: Final = (PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER)


def on_windows(change: Callable[[Window], Window], *kinds: PhaseKind) -> Change:
    """Each phase of some kinds changed; the marks follow, as if it had been so."""
    return lambda e: marked(with_windows(e, [change(w) if w.kind in kinds else w for w in e.run.windows]))


def shortened(kind: PhaseKind, seconds: float) -> Change:
    """Phases of a kind that end after so many seconds; idle without engine stays."""

    def change(window: Window) -> Window:
        return window if window.idle_kind is IdleKind.BARE else replace(window, end_ns=window.begin_ns + round(seconds * NS))

    return on_windows(change, kind)


def power(share: Callable[[Float64, Window], Float64], *kinds: PhaseKind) -> Change:
    """Power at the wall in some phases times `share` of the seconds before their end."""

    def shown(series: Series, windows: Sequence[Window]) -> Series:
        factor = np.ones(len(series))
        for window in windows:
            rows = (series.t_ns >= window.begin_ns) & (series.t_ns <= window.end_ns)
            factor[rows] = share((window.end_ns - series.t_ns[rows]) / NS, window)
        return replace(series, value=np.round(series.value * factor).astype(np.int64))

    def spoil(evidence: Evidence) -> Evidence:
        windows = [w for w in evidence.run.windows if w.kind in kinds]
        wall = (Boundary.SERVER_INPUT, Boundary.WALL_ANALYZER)
        return on_series(lambda one: one.meter.boundary in wall and one.meter.quantity is Quantity.POWER, lambda s: shown(s, windows))(
            evidence
        )

    return spoil


def on_series(which: Callable[[Series], bool], change: Callable[[Series], Series]) -> Change:
    """Some of the series changed."""
    return lambda e: replace(e, series=tuple(change(one) if which(one) else one for one in e.series))


def at_the_wall(one: Series) -> bool:
    """Whether a series is power of the whole node."""
    return one.meter.boundary in (Boundary.SERVER_INPUT, Boundary.WALL_ANALYZER) and one.meter.quantity is Quantity.POWER


def of_gpu(quantity: Quantity) -> Callable[[Series], bool]:
    """Whether a series is a witness of a quantity on a GPU."""
    return lambda one: one.meter.boundary is Boundary.GPU and one.meter.quantity is quantity


def without_series(which: Callable[[Series], bool]) -> Change:
    """Some of the series left out."""
    return lambda e: replace(e, series=tuple(one for one in e.series if not which(one)))


def unread_until(kind: PhaseKind) -> Change:
    """Power at the wall of which in some phases only the last ten seconds are there."""

    def spoil(evidence: Evidence) -> Evidence:
        def cut(one: Series) -> Series:
            lost = np.zeros(len(one), dtype=bool)
            for window in (w for w in evidence.run.windows if w.kind is kind):
                lost |= (one.t_ns > window.begin_ns + 5 * NS) & (one.t_ns < window.end_ns - 10 * NS)
            return one.rows(~lost)

        return on_series(at_the_wall, cut)(evidence)

    return spoil


def drifting(per_min: float) -> Callable[[Float64, Window], Float64]:
    """Power that rises by a share each minute until the end of the phase."""
    return lambda before_end_s, _: 1.0 - per_min * before_end_s / 60.0


def scattered(share: float) -> Callable[[Float64, Window], Float64]:
    """Power that jumps by a share up and down from reading to reading."""
    return lambda before_end_s, _: 1.0 + share * (-1.0) ** np.arange(len(before_end_s))


def higher(share: float) -> Callable[[Float64, Window], Float64]:
    """Power higher by a share."""
    return lambda before_end_s, _: np.full(len(before_end_s), 1.0 + share)


def warmer(k_per_min: float) -> Callable[[Series], Series]:
    """A temperature that rises all the time."""
    return lambda one: replace(one, value=one.value + np.round((one.t_ns - one.t_ns[0]) / NS / 60.0 * k_per_min).astype(np.int64))


def on_surveys(change: Callable[[Survey], Sequence[Survey]]) -> Change:
    """What was seen of the processes on the node changed."""

    def spoil(evidence: Evidence) -> Evidence:
        nodes = tuple(replace(node, surveys=tuple(s for one in node.surveys for s in change(one))) for node in evidence.nodes.nodes)
        return replace(evidence, nodes=replace(evidence.nodes, nodes=nodes))

    return spoil


def cold_start(per_min: float = 0.0) -> Change:
    """No load in the warm-ups: it starts with the repetitions, where it may still drift."""
    idle = power(lambda before_end_s, _: np.full(len(before_end_s), 0.27), PhaseKind.WARMUP)
    between = power(drifting(per_min), PhaseKind.MEASURED)
    return lambda evidence: idle(between(evidence))


def overlapping(evidence: Evidence) -> Evidence:
    """The second warm-up begins before the first cooldown ends."""
    windows = [replace(w, begin_ns=w.begin_ns - 5 * NS) if w.name == "warmup-2" else w for w in evidence.run.windows]
    return marked(with_windows(evidence, windows))


def swapped(evidence: Evidence) -> Evidence:
    """The second cooldown marked as warm-up, the warm-up as cooldown."""
    other = {"warmup-2": PhaseKind.COOLDOWN, "cooldown-2": PhaseKind.WARMUP}
    return with_windows(evidence, [replace(w, kind=other.get(w.name, w.kind)) for w in evidence.run.windows])


def aborted(evidence: Evidence) -> Evidence:
    """The second repetition aborted, without its cooldown."""
    kept = [w for w in evidence.run.windows if w.name != "cooldown-2"]
    return marked(with_windows(evidence, [replace(w, aborted="no answer") if w.name == "measured-2" else w for w in kept]))


def kinds(**by_kind: IdleKind | None) -> Change:
    """Idle phases that declare another kind, by their names."""
    return lambda e: with_windows(e, [replace(w, idle_kind=by_kind.get(w.name, w.idle_kind)) for w in e.run.windows])


def request_in_idle(evidence: Evidence) -> Evidence:
    """One request sent while the node should be idle."""
    (idle,) = (w for w in evidence.run.windows if w.name == "idle_before")
    first, *rest = evidence.requests or ()
    return replace(evidence, requests=(replace(first, begin_ns=idle.begin_ns + NS, end_ns=idle.begin_ns + 3 * NS), *rest))


def longer(window: Window) -> Window:
    """The window of SMC: 2.97 % longer than the run."""
    return replace(window, end_ns=window.end_ns + round(0.0297 * (window.end_ns - window.begin_ns)))


def middle(window: Window) -> Window:
    """The middle 80 %."""
    tenth_ns = (window.end_ns - window.begin_ns) // 10
    return replace(window, begin_ns=window.begin_ns + tenth_ns, end_ns=window.end_ns - tenth_ns)


def chosen(evidence: Evidence) -> Evidence:
    """The middle of each repetition, chosen after the fact: the chain saw another window."""
    return with_windows(evidence, [middle(w) if w.kind is PhaseKind.MEASURED else w for w in evidence.run.windows])


def an_hour_off(evidence: Evidence) -> Evidence:
    """A request log in summer time."""
    moved = tuple(replace(r, begin_ns=r.begin_ns + 3600 * NS, end_ns=(r.end_ns or 0) + 3600 * NS) for r in evidence.requests or ())
    return replace(evidence, requests=moved)


def of_clock(clock: ClockKind) -> Change:
    """Phases dated by another clock."""
    return lambda e: replace(e, run=replace(e.run, clock=clock))


def another_run(evidence: Evidence) -> Evidence:
    """The chain of another run."""
    return replace(evidence, run=replace(evidence.run, run_id="019a0000-0000-7000-8000-ffffffffffff"))


def rechained(evidence: Evidence, *, t_ns: Callable[[int], int], marks: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Evidence:
    """A whole new chain of the marks, each at another time, with receipts as the good one has them."""
    told = marks([dict(event.data) for event in evidence.chain.of_kind(MARK)])
    chain, receipts = Chain().appended("run", {"run_id": evidence.run.run_id}, t_ns=evidence.chain.events[0].t_ns), []
    for data in told:
        chain = chain.appended(MARK, data, t_ns=t_ns(data["utc_ns"]))
        receipts.append(receipt(chain, t_ns=data["utc_ns"] + NS))
    return replace(evidence, chain=replace(chain, receipts=tuple(receipts)))


def at_the_end(evidence: Evidence) -> Evidence:
    """All marks made after the run."""
    end_ns = max(w.end_ns for w in evidence.run.windows) + 60 * NS
    return rechained(evidence, t_ns=lambda _: end_ns, marks=list)


def a_phase_dropped(evidence: Evidence) -> Evidence:
    """A repetition that was marked, and that the run does not list."""
    return without(evidence, "measured-2")


def one_mark_less(evidence: Evidence) -> Evidence:
    """The end of the last phase was never marked."""
    return rechained(evidence, t_ns=lambda utc_ns: utc_ns, marks=lambda told: told[:-1])


def a_mark_twice(evidence: Evidence) -> Evidence:
    """One mark stands twice."""
    return rechained(evidence, t_ns=lambda utc_ns: utc_ns, marks=lambda told: [*told, told[-1]])


def edited(evidence: Evidence) -> Evidence:
    """A mark moved with its phase, its hash left as it was."""
    changed = with_windows(evidence, [longer(w) if w.name == "measured-2" else w for w in evidence.run.windows])
    end_ns = {w.name: w.end_ns for w in changed.run.windows}["measured-2"]
    events = tuple(
        replace(event, data={**event.data, "utc_ns": end_ns})
        if event.data.get("phase") == "measured-2" and event.data.get("edge") == "end"
        else event
        for event in evidence.chain.events
    )
    return replace(changed, chain=replace(evidence.chain, events=events))


def receipts(change: Callable[[Evidence, int], Any]) -> Change:
    """The receipts changed one by one."""
    return lambda e: replace(e, chain=replace(e.chain, receipts=tuple(change(e, n) for n in range(len(e.chain.receipts)))))


def late(evidence: Evidence, place: int) -> Any:
    """A receipt of 301 s after its mark."""
    given = evidence.chain.receipts[place]
    return receipt(replace(evidence.chain, events=evidence.chain.events[: given.seq + 1]), t_ns=given.t_ns + 301 * NS)


def by_a_stranger(evidence: Evidence, place: int) -> Any:
    """A receipt signed by a key that nobody knows."""
    key = seal.key_of_seed(b"stranger" * 4)
    given = replace(evidence.chain.receipts[place], public_key=seal.public_text(key))
    return replace(given, signature=seal.signed(key, given.signed_sha256))


def dated_back(evidence: Evidence, place: int) -> Any:
    """A receipt whose time was changed after it was signed."""
    given = evidence.chain.receipts[place]
    return replace(given, t_ns=given.t_ns - 100_000_000)


def span(*watts: float) -> Change:
    """An alignment over another span of the sensor."""

    def spoil(evidence: Evidence) -> Evidence:
        aligned = tuple(replace(one, record=replace(one.record, span_w=watts)) for one in evidence.alignments)
        return replace(evidence, alignments=aligned)

    return spoil


def no_phases(folder: Path) -> None:
    """The file of the phases is gone."""
    (folder / "energy" / "phases.json").unlink()


ABSENT: Final = Verdict.CANNOT_TELL
PASS: Final = Verdict.PASS
LAST: Final = ("ES2",)
FIRST: Final = ("ES1",)
SPOILS: Final[Sequence[Spoil]] = (
    Spoil("PHA-1", "no cooldown", lambda e: without(e, "cooldown-2")),
    Spoil("PHA-1", "no idle after", lambda e: without(e, "idle_after")),
    Spoil("PHA-1", "overlap", overlapping),
    Spoil("PHA-1", "cooldown before the repetition", swapped),
    Spoil("PHA-1", "bare idle alone", kinds(idle_before=IdleKind.BARE)),
    Spoil("PHA-1", "an aborted repetition", aborted, verdict=PASS),
    Spoil("PHA-1", "no phases", files=no_phases, grades=FIRST, verdict=ABSENT),
    Spoil("PHA-2", "measured for 119 s", shortened(PhaseKind.MEASURED, 119.0)),
    Spoil("PHA-2", "measured for 599 s", shortened(PhaseKind.MEASURED, 599.0), grades=LAST),
    Spoil("PHA-2", "idle for 119 s", shortened(PhaseKind.IDLE_BEFORE, 119.0)),
    Spoil("PHA-2", "no cooldown at all", lambda e: without(e, *(f"cooldown-{n}" for n in range(1, 6))), verdict=ABSENT),
    Spoil("PHA-3", "power jumps", power(scattered(0.04), *IDLE)),
    Spoil("PHA-3", "power jumps by 2.5 %", power(scattered(0.025), *IDLE), grades=LAST),
    Spoil("PHA-3", "warmed idle that cools down", power(drifting(-0.03), PhaseKind.IDLE_BEFORE)),
    Spoil("PHA-3", "drift of 1.5 % a minute", power(drifting(0.015), *IDLE), grades=LAST),
    Spoil("PHA-3", "a GPU works", on_series(of_gpu(Quantity.UTILIZATION), lambda s: replace(s, value=s.value + 2))),
    Spoil("PHA-3", "a GPU warms up", on_series(of_gpu(Quantity.TEMPERATURE), warmer(2.0))),
    Spoil("PHA-3", "foreign process", on_surveys(lambda s: [replace(s, foreign_processes=("xmrig",))])),
    Spoil("PHA-3", "nobody looked", on_surveys(lambda s: []), verdict=ABSENT),
    Spoil("PHA-3", "processes not read", on_surveys(lambda s: [replace(s, foreign_processes=None)]), verdict=ABSENT),
    Spoil("PHA-3", "utilization not read", without_series(of_gpu(Quantity.UTILIZATION)), verdict=ABSENT),
    Spoil("PHA-3", "only the last seconds of idle were read", unread_until(PhaseKind.IDLE_BEFORE), verdict=ABSENT),
    Spoil("PHA-5", "only the last seconds of the warm-up were read", unread_until(PhaseKind.WARMUP), verdict=ABSENT),
    Spoil("PHA-4", "6 % more after", power(higher(0.06), PhaseKind.IDLE_AFTER)),
    Spoil("PHA-4", "4 % more after", power(higher(0.04), PhaseKind.IDLE_AFTER), grades=LAST),
    Spoil("PHA-4", "4 % more is little at ES1", power(higher(0.04), PhaseKind.IDLE_AFTER), grades=FIRST, verdict=PASS),
    Spoil("PHA-4", "kinds mixed", kinds(idle_after=IdleKind.BARE)),
    Spoil("PHA-4", "kind after not declared", kinds(idle_after=None), verdict=ABSENT),
    Spoil("PHA-9", "none is ready", kinds(idle_before=IdleKind.BARE, idle_after=IdleKind.BARE)),
    Spoil("PHA-9", "none is bare", lambda e: without(e, "idle_bare"), grades=LAST),
    Spoil("PHA-9", "none is bare at ES1", lambda e: without(e, "idle_bare"), grades=FIRST, verdict=PASS),
    Spoil("PHA-9", "a request while idle", request_in_idle),
    Spoil("PHA-9", "not declared", kinds(idle_before=None), verdict=ABSENT),
    Spoil("PHA-5", "power still rises", power(drifting(0.06), PhaseKind.WARMUP)),
    Spoil("PHA-5", "power rises by 2 % a minute", power(drifting(0.02), PhaseKind.WARMUP), grades=LAST),
    Spoil("PHA-5", "GPUs still warm up", on_series(of_gpu(Quantity.TEMPERATURE), warmer(2.0)), grades=LAST),
    Spoil("PHA-5", "load starts with the repetition", cold_start(), verdict=PASS),
    Spoil("PHA-5", "load starts with the repetition and rises", cold_start(0.06)),
    Spoil("PHA-5", "temperature not read", without_series(of_gpu(Quantity.TEMPERATURE)), grades=LAST, verdict=ABSENT),
    Spoil("PHA-5", "idle not known", lambda e: without(e, "idle_before", "idle_after"), verdict=ABSENT),
    Spoil("PHA-6", "window longer than the run", on_windows(longer, PhaseKind.MEASURED)),
    Spoil("PHA-6", "middle of the run", on_windows(middle, PhaseKind.MEASURED)),
    Spoil("PHA-6", "requests in summer time", an_hour_off),
    Spoil("PHA-6", "chain of another run", another_run),
    Spoil("PHA-6", "no request log", no_log, verdict=ABSENT),
    Spoil("PHA-6", "phases in local time", of_clock(ClockKind.LOCAL), verdict=ABSENT),
    Spoil("PHA-7", "window chosen after the fact", chosen),
    Spoil("PHA-7", "marks made after the run", at_the_end),
    Spoil("PHA-7", "marked phase dropped", a_phase_dropped),
    Spoil("PHA-7", "one mark less", one_mark_less),
    Spoil("PHA-7", "a mark twice", a_mark_twice),
    Spoil("PHA-7", "edited mark", edited),
    Spoil("PHA-7", "no chain", lambda e: replace(e, chain=Chain()), verdict=ABSENT),
    Spoil("PHA-7", "no receipts", lambda e: replace(e, chain=replace(e.chain, receipts=())), grades=LAST, verdict=ABSENT),
    Spoil("PHA-7", "self-attested", lambda e: replace(e, chain=replace(e.chain, receipts=())), grades=FIRST, verdict=PASS),
    Spoil("PHA-7", "receipts too late", receipts(late), grades=LAST),
    Spoil("PHA-7", "receipts of a stranger", receipts(by_a_stranger), grades=LAST),
    Spoil("PHA-7", "receipts dated back", receipts(dated_back), grades=LAST),
    Spoil("PHA-8", "load above the span", span(400.0, 1400.0), grades=FIRST),
    Spoil("PHA-8", "load below the span", span(1800.0, 2400.0), grades=FIRST),
    Spoil("PHA-8", "no span", span(), grades=FIRST, verdict=ABSENT),
    Spoil("PHA-8", "not aligned", lambda e: replace(e, alignments=()), verdict=Verdict.NOT_APPLICABLE),
)
