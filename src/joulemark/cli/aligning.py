"""The alignment as it is carried out: gates, plateaus one after the other, readings back from the collector, the record."""

from __future__ import annotations

import difflib
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark import document, timebase
from joulemark.calibration import gates, lag
from joulemark.calibration.acceptance import binding_of
from joulemark.calibration.align import align
from joulemark.calibration.alignment import Alignment, Record
from joulemark.calibration.gates import Seen
from joulemark.calibration.plateaus import Span
from joulemark.calibration.procedure import HELD_OUT, Done, Progress, Step
from joulemark.cards.contents import alignment_files
from joulemark.cards.evidence import Aligned
from joulemark.cli import surroundings
from joulemark.client import Client
from joulemark.counts import Counts
from joulemark.energy.integrate import reading_interval_s
from joulemark.energy.series import Series
from joulemark.errors import EnvironmentFailed, InsufficientData, RemoteUnreachable, UsageError
from joulemark.load.generators import Kind, Load
from joulemark.load.leash import Leash
from joulemark.node import Node, Nodes
from joulemark.readings import MeterInfo, Quantity
from joulemark.runs import PhaseKind
from joulemark.timebase import Clock, SystemClock
from joulemark.traces import collected
from joulemark.units import NS_PER_S

POLL_S: Final = 0.5
LOOK_BACK_S: Final = 120.0
"""How long the readings are that gates look at."""
LIVE_S: Final = 10.0
"""Over which live means are taken."""
ARRIVE_S: Final = 60.0
"""How long readings may take from the meter into the store."""
BY_HAND_S: Final = 1800.0
MOVED: Final = 0.05
"""A load by hand has come when the power has changed by this share and is steady again."""
PROCEDURE: Final = "procedure.json"
NODES: Final = "energy/nodes.json"
BMC_KINDS: Final = ("ipmi", "redfish")


@dataclass
class Bench:
    """Two meters of a collector under a load. `say` prints a line; `live`, where there is a terminal, what is seen meanwhile."""

    client: Client
    load: Load
    folder: Path
    meters: tuple[MeterInfo, ...]
    say: Callable[[str], None]
    live: Callable[[str], None] | None = None
    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], None] = time.sleep

    def readings(self, from_ns: int, to_ns: int, meters: Sequence[MeterInfo] = ()) -> dict[str, Series]:
        """Meter id -> what the collector has of it, without the meters of which it has nothing."""
        asked = meters or self.meters
        return collected.read(self.client.readings([m.meter_id for m in asked], from_ns, to_ns), asked)

    def recent(self, seconds: float, meters: Sequence[MeterInfo] = ()) -> dict[str, Series]:
        """The readings of the last `seconds`."""
        now_ns = self.clock.utc_ns()
        return self.readings(now_ns - round(seconds * NS_PER_S), now_ns + NS_PER_S, meters)

    def wait(self, seconds: float, what: str) -> None:
        """Let the load stand, showing live means. Raises EnvironmentFailed when the load ends by itself."""
        end_ns = self.clock.mono_ns() + round(seconds * NS_PER_S)
        while (left_s := (end_ns - self.clock.mono_ns()) / NS_PER_S) > 0.0:
            self.load.require()
            if self.live is not None:
                self.live(f"{what}, {left_s:.0f} s left; {self.means()}")
            self.sleep(min(POLL_S, left_s))
        self.load.require()

    def means(self) -> str:
        """Live means of the meters; an unreachable collector shows none, and costs nothing: its agents keep the readings."""
        shown = []
        with suppress(RemoteUnreachable):
            for one in self.recent(LIVE_S).values():
                good = one.integrable()
                shown.append(f"{one.meter.meter_id} {good.si().mean():.1f} W" if len(good) else f"{one.meter.meter_id} silent")
        return ", ".join(shown)

    def settle(self, step: Step) -> None:
        """Bring the load to the level of `step` and wait until it has settled."""
        if step.name == HELD_OUT and step.windows == 0:
            self.load.stop()
            return
        before_w = None
        if self.load.generator.kind is Kind.HAND:
            before_w = self._mean_w()
            self.say(f"bring the machine to {step.level:.0%} of its load now, by your own command")
        self.load.hold(step.level)
        if before_w is not None and step.level > 0.0:
            self._moved(before_w, step.settle_s)
        self.wait(step.settle_s, f"{step.name}: settling")

    def _mean_w(self) -> float:
        good = [one.integrable() for one in self.recent(LIVE_S).values()]
        return float(np.mean([one.si().mean() for one in good if len(one)])) if any(map(len, good)) else 0.0

    def _moved(self, before_w: float, settle_s: float) -> None:
        """Wait until a load by hand has come. Raises EnvironmentFailed after half an hour."""
        waited_s = 0.0
        while abs(self._mean_w() - before_w) <= MOVED * before_w:
            if waited_s > BY_HAND_S:
                raise EnvironmentFailed("the power has not changed for half an hour", "start the load, or use --load cpu")
            self.wait(POLL_S, "waiting for your load")
            waited_s += POLL_S
        self.wait(min(settle_s, LIVE_S), "the load has come")


def meter_of(described: Sequence[dict[str, Any]], meter_id: str) -> MeterInfo:
    """The power meter of that id among what the collector describes. Raises UsageError."""
    by_id = {str(entry.get("meter_id")): entry for entry in described}
    if meter_id not in by_id:
        near = difflib.get_close_matches(meter_id, by_id, n=1, cutoff=0.3)
        raise UsageError(f"the collector knows no meter {meter_id!r}", f"did you mean {near[0]!r}?" if near else "start its agent")
    fields = {key: value for key, value in by_id[meter_id].items() if key not in ("agent_id", "device_id")}
    meter = MeterInfo.from_json(fields)
    if meter.quantity is not Quantity.POWER:
        raise UsageError(f"{meter_id} measures {meter.quantity.word}, not power", "align the power of the same device")
    return meter


def here(client: Client, described: Sequence[dict[str, Any]], meter_id: str) -> bool:
    """Whether the agent of the meter runs on this machine."""
    agents = {entry["agent_id"] for entry in described if entry.get("meter_id") == meter_id}
    hosts = client.call("GET", "/v1/hosts")
    return any(host["agent_id"] in agents and host["boot_id"] == timebase.boot_id() for host in hosts)


def look(bench: Bench, described: Sequence[dict[str, Any]], accepted: Sequence[str]) -> list[Seen]:
    """What every gate sees now, of the idle machine."""
    ids = [meter.meter_id for meter in bench.meters]
    found = bench.recent(LOOK_BACK_S)
    now_ns = bench.clock.utc_ns()
    ages_s = {m: (now_ns - int(found[m].t_ns[-1])) / NS_PER_S if m in found and len(found[m]) else None for m in ids}
    intervals_s = {m: reading_interval_s(found[m]) if m in found and len(found[m]) > 1 else None for m in ids}
    local, why = here(bench.client, described, ids[0]), f"{ids[0]} belongs to another machine"
    thermometers = [
        MeterInfo.from_json({k: v for k, v in entry.items() if k not in ("agent_id", "device_id")})
        for entry in described
        if entry.get("quantity") == Quantity.TEMPERATURE
    ]
    heat = list(bench.recent(LOOK_BACK_S, thermometers).values()) if thermometers else []
    last = found.get(ids[-1])
    seen = [
        gates.streams(ages_s, intervals_s),
        gates.clocks({m: found[m].clock_bound_ns / NS_PER_S if m in found else None for m in ids}),
        gates.exclusive(surroundings.foreign(bench.clock, bench.sleep) if local else None, why=why),
        gates.monitors(surroundings.monitors() if local else None, why=why),
        gates.temperature(heat),
        gates.steady(Series.plain(bench.meters[-1], np.zeros(0, np.int64), np.zeros(0, np.int64)) if last is None else last),
    ]
    return [one.accepting(accepted) for one in seen]


def carried_out(bench: Bench, progress: Progress, kind: Callable[[Step], PhaseKind]) -> Progress:
    """Every step that is left, each kept in the folder when it is done. An interrupted one is marked as aborted in the run."""
    plan = progress.plan
    while (step := progress.next) is not None:
        bench.say(
            f"{step.name} {step.turn} of {2 if plan.reverse else 1}: {step.settle_s:g} s to settle, then "
            + (f"{step.windows} windows of {step.window_s:g} s" if step.windows else f"{plan.held_out_command}")
            + f"; {progress.left_s / 60.0:.1f} min left"
        )
        phase = progress.phase
        progress = progress.beginning()
        kept(bench.folder, progress)
        bench.settle(step)
        progress = measured(bench, progress, step, phase, kind(step))
        kept(bench.folder, progress)
    return progress


def measured(bench: Bench, progress: Progress, step: Step, phase: str, kind: PhaseKind) -> Progress:
    """The windows of `step`, between two marks."""
    run_id, idle = progress.run_id, progress.plan.idle_kind if step.name == "idle" else None
    begin_ns = bench.clock.utc_ns()
    bench.client.begin(run_id, phase, kind, idle_kind=idle)
    try:
        if step.windows:
            bench.wait(step.measured_s, f"{step.name}: measuring")
        else:
            own_command(bench, progress.plan.held_out_command)
    except BaseException:
        bench.client.end(run_id, phase, Counts(aborted="interrupted"))
        raise
    bench.client.end(run_id, phase)
    end_ns = bench.clock.utc_ns()
    seen = steadiness_of(bench, begin_ns, end_ns)
    bench.say(f"{step.name} {step.turn}: {seen}")
    return progress.finished(phase, begin_ns, end_ns, seen)


def own_command(bench: Bench, command: str) -> None:
    """The user's own command, until it ends. Raises EnvironmentFailed when it fails."""
    with Leash(["sh", "-c", command], bench.folder / "held-out.log") as leash:
        while (status := leash.wait(POLL_S)) is None:
            if bench.live is not None:
                bench.live(f"{command}; {bench.means()}")
        if status:
            leash.require()


def steadiness_of(bench: Bench, begin_ns: int, end_ns: int) -> str:
    """How constant each meter was, in words, as far as its readings have arrived."""
    said = []
    with suppress(RemoteUnreachable):
        for one in bench.readings(begin_ns, end_ns).values():
            with suppress(InsufficientData):
                said.append(f"{one.meter.meter_id} {gates.steadiness(one)}")
    return "; ".join(said) or "the readings have not arrived yet"


def aligned(bench: Bench, progress: Progress, before: Alignment | None, *, method: str, modelled: bool) -> Aligned:
    """The record of what was measured, from the readings that the collector has. Raises InsufficientData when they do not come."""
    phases = {p["name"]: p for p in bench.client.call("GET", f"/v1/runs/{progress.run_id}/phases")}
    if absent := [done.phase for done in progress.done if done.phase not in phases]:
        raise InsufficientData(f"run {progress.run_id} has no phase {absent[0]}", f"joulemark run resend {progress.run_id}")
    plan = progress.plan

    def span(done: Done, step: Step) -> Span:
        own = step.name == HELD_OUT and plan.held_out_command
        begin_ns, end_ns = phases[done.phase]["begin_ns"], phases[done.phase]["end_ns"]
        return Span(done.name, begin_ns, end_ns, done.turn, step.settle_s, own or plan.workload)

    spans = [span(done, step) for done, step in zip(progress.done, plan.steps, strict=True)]
    reach_ns = round(tail_s() * NS_PER_S)
    begin_ns = spans[0].step_ns - reach_ns
    end_ns = spans[-1].end_ns + reach_ns
    found = arrived(bench, begin_ns, end_ns)
    sensor, reference = (found[meter.meter_id] for meter in bench.meters)
    binding = binding_of(
        node_of(bench.client, progress.run_id, sensor.meter),
        sensor_serial=sensor.meter.serial,
        reference_serial=reference.meter.serial,
        interval_s=reading_interval_s(sensor),
    )
    record = align(
        sensor,
        reference,
        spans[:-1],
        held_out=spans[-1],
        alignment_id=progress.run_id,
        made_ns=spans[-1].end_ns,
        window_s=plan.window_s,
        method=method,
        binding=binding,
        before=before,
        modelled=modelled,
    )
    return Aligned(record, sensor, reference)


def node_of(client: Client, run_id: str, meter: MeterInfo) -> Node:
    """The node of `meter` as its agent saw it during the run, with what the meter itself says; bare where nobody looked."""
    found = Node(meter.host)
    with suppress(InsufficientData, UsageError), zipfile.ZipFile(io.BytesIO(client.download(f"/v1/runs/{run_id}/bundle"))) as archive:
        if NODES in archive.namelist():
            nodes = Nodes.from_json(json.loads(archive.read(NODES))).nodes
            found = next((node for node in nodes if node.host == meter.host), found)
    if meter.kind in BMC_KINDS and not found.bmc_firmware:
        return replace(found, bmc_firmware=meter.firmware)
    return found


def arrived(bench: Bench, begin_ns: int, end_ns: int) -> dict[str, Series]:
    """The readings of both meters from `begin_ns` beyond `end_ns`. Raises InsufficientData when they do not come within a minute."""
    for _ in range(round(ARRIVE_S / POLL_S)):
        found = bench.readings(begin_ns, end_ns + round(POLL_S * NS_PER_S) * 5)
        newest_ns = {meter_id: int(one.t_ns[-1]) for meter_id, one in found.items() if len(one)}
        late = [m.meter_id for m in bench.meters if newest_ns.get(m.meter_id, 0) < end_ns]
        if not late:
            return found
        bench.sleep(POLL_S)
    raise InsufficientData(f"{late[0]} has no reading of the end of the alignment", "look after its agent, then resume")


def tail_s() -> float:
    """Readings before the first edge of the load and after the last one that the lag is told from."""
    return lag.AROUND_S + lag.SEARCHED_S


def kept(folder: Path, progress: Progress) -> None:
    """Write the progress, so that an interrupted alignment goes on from here."""
    path = folder / PROCEDURE
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(progress.to_json(), indent=1) + "\n", encoding="utf-8")
    os.replace(fresh, path)


def resumed(folder: Path) -> Progress:
    """The progress in `folder`. Raises UsageError."""
    if not (folder / PROCEDURE).is_file():
        raise UsageError(f"{folder} holds no {PROCEDURE}", "give the folder that joulemark calibrate align named")
    return Progress.from_json(document.load(folder / PROCEDURE))


def files_of(one: Aligned, progress: Progress) -> dict[str, str]:
    """The files of an alignment, by path: those of a bundle, and how it was made."""
    files = {path: data.decode() for path, data in alignment_files((one,)).items()}
    return {**files, f"calibration/{one.record.alignment_id}/{PROCEDURE}": json.dumps(progress.to_json(), indent=1) + "\n"}


def written(folder: Path, files: dict[str, str]) -> Alignment:
    """Write the files below `folder`; the record with the hashes of the readings."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="")
    return Record.from_json(json.loads(files["calibration.json"])).alignments[0]


def newest_before(client: Client, sensor: str, reference: str) -> Alignment | None:
    """The alignment before this one, of the same pair."""
    records = [document.record(Alignment, entry, where="alignment") for entry in client.calibrations(sensor)]
    return next((one for one in records if one.reference == reference), None)


def with_gates(progress: Progress, seen: Sequence[Seen]) -> Progress:
    """The progress with what the gates saw."""
    return replace(progress, gates=tuple(one.to_json() for one in seen))
