"""A simulated laboratory: from a seed to the evidence of a run that satisfies every rule of a level, and the true energy of its phases.

`Lab.of("ES1", seed=1).evidence()` is a run of 15 minutes read by the BMC, which was aligned to a reference; `"ES2"` one of 80 minutes
at a calibrated analyser. Every figure is simulated, and every meter says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from joulemark import __version__
from joulemark.cards import bundle
from joulemark.cards.evidence import Aligned, Evidence
from joulemark.chain import Chain, Receipt, Signature
from joulemark.energy.series import Series
from joulemark.meter_log import MeterLog
from joulemark.node import Build, Component, Gpu, Node, Nodes, Overhead, Psu, Settings, Survey
from joulemark.pki import seal
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import Price, PriceModel, Tax, Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.tariffs import Basis, Tariff
from joulemark.request_log import Request, Status
from joulemark.runs import ClockKind, IdleKind, PhaseKind, Run, Tokens, Window
from joulemark.workload import EngineCount, Recount, Workload
from tests.kit import alignment
from tests.kit.sensors import CORDS, GPUS, HOST, Sensors
from tests.kit.truth import Truth

NS: Final = 1_000_000_000
BEGIN_NS: Final = moment_ns("2026-11-02T09:00:00Z", "kit")
LEAD_S: Final = 40.0
KIT_KEY: Final = seal.key_of_seed(hashlib.sha256(b"joulemark conformance kit").digest())
SETTINGS: Final = {
    "power_cap_w": "700",
    "clocks": "default",
    "governor": "performance",
    "fan_policy": "full",
    "psu_redundancy": "active-active",
    "c_states": "on",
}
INPUT_TOKENS, OUTPUT_TOKENS = 640, 480
EDGE_S: Final = 0.01
"""The first request of a repetition starts so long after its begin, the last one ends so long before its end."""


@dataclass(frozen=True)
class Plan:
    """Seconds of each phase, how often the measured one is repeated, and requests of each repetition."""

    idle_bare_s: float
    idle_before_s: float
    warmup_s: float
    measured_s: float
    cooldown_s: float
    idle_after_s: float
    repetitions: int
    requests: int


PLANS: Final = {
    "ES1": Plan(60.0, 130.0, 70.0, 130.0, 70.0, 140.0, 3, 260),
    "ES2": Plan(130.0, 310.0, 220.0, 610.0, 70.0, 140.0, 5, 1020),
}


@dataclass(frozen=True)
class Lab:
    """One laboratory and one session in it."""

    level: str
    plan: Plan
    seed: int = 0

    @classmethod
    def of(cls, level: str, *, seed: int = 0) -> Lab:
        """The laboratory for a level, `ES1` or `ES2`."""
        return cls(level, PLANS[level], seed)

    def at(self, second: float) -> int:
        """UTC of a second of the session, ns."""
        return BEGIN_NS + round(second * NS)

    @cached_property
    def spans(self) -> tuple[tuple[str, PhaseKind, float, float], ...]:
        """(name, kind, begin, end) of each phase in seconds."""
        plan, now = self.plan, LEAD_S
        spans: list[tuple[str, PhaseKind, float, float]] = []
        order = [("idle_bare", PhaseKind.IDLE_BEFORE, plan.idle_bare_s), ("idle_before", PhaseKind.IDLE_BEFORE, plan.idle_before_s)]
        for number in range(1, plan.repetitions + 1):
            order += [
                (f"warmup-{number}", PhaseKind.WARMUP, plan.warmup_s),
                (f"measured-{number}", PhaseKind.MEASURED, plan.measured_s),
                (f"cooldown-{number}", PhaseKind.COOLDOWN, plan.cooldown_s),
            ]
        order.append(("idle_after", PhaseKind.IDLE_AFTER, plan.idle_after_s))
        for name, kind, length_s in order:
            spans.append((name, kind, now, now + length_s))
            now += length_s + 1.0
        return tuple(spans)

    @property
    def length_s(self) -> float:
        """Of the session, with what lies before and after."""
        return self.spans[-1][3] + LEAD_S

    @cached_property
    def truth(self) -> Truth:
        """Load from each warm-up until the end of its repetition; no engine while idle is bare."""
        load = [(self.spans[0][2] - LEAD_S - 10.0, self.spans[0][3], -1.0)]
        for place, (_, kind, begin_s, _) in enumerate(self.spans):
            if kind is PhaseKind.WARMUP:
                load.append((begin_s + 2.0, self.spans[place + 1][3], 1.0))
        return Truth(self.length_s, load, self.seed)

    @cached_property
    def sensors(self) -> Sensors:
        """The meters on the node, with the errors of this seed."""
        return Sensors(self.truth, BEGIN_NS, self.seed)

    def true_energy_j(self, window: Window) -> float:
        """What a phase really took at the wall."""
        return self.truth.energy_j(self.truth.node_ac_w, (window.begin_ns - BEGIN_NS) / NS, (window.end_ns - BEGIN_NS) / NS)

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The phases as the benchmark marks them."""
        kinds = {"idle_bare": IdleKind.BARE, "idle_before": IdleKind.READY, "idle_after": IdleKind.READY}
        found = []
        for name, kind, begin_s, end_s in self.spans:
            done = [r for r in self.requests if r.phase == name and r.status is Status.COMPLETED]
            tokens = Tokens()
            if kind is PhaseKind.MEASURED:
                tokens = Tokens(
                    input=sum(r.input_tokens or 0 for r in done),
                    output=sum(r.output_tokens or 0 for r in done),
                    cached_input=0,
                    reasoning=0,
                    source="server_usage",
                    disagreement=10.0,
                )
            failed = None if kind is not PhaseKind.MEASURED else 0
            counted = len(done) if kind is PhaseKind.MEASURED else None
            found.append(
                Window(name, kind, self.at(begin_s), self.at(end_s), 1_000_000, tokens, counted, failed, idle_kind=kinds.get(name))
            )
        return tuple(found)

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        """Every request of the measured phases, drained at their ends."""
        rng = np.random.default_rng([self.seed, 77])
        found: list[Request] = []
        for name, kind, begin_s, end_s in self.spans:
            if kind is not PhaseKind.MEASURED:
                continue
            starts_s = np.sort(rng.uniform(begin_s, end_s - 6.0, self.plan.requests))
            starts_s[0] = begin_s + EDGE_S
            for start_s in starts_s.tolist():
                last = start_s == starts_s[-1]
                end_of_s = end_s - EDGE_S if last else start_s + float(rng.uniform(2.0, 5.5))
                tokens_in, tokens_out = int(rng.integers(600, 680)), int(rng.integers(400, 560))
                found.append(
                    Request(len(found), name, self.at(start_s), self.at(end_of_s), Status.COMPLETED, tokens_in, 0, tokens_out, 0, None)
                )
        return tuple(found)

    @property
    def run(self) -> Run:
        """The run, with the labels that name what was rented."""
        labels = {"provider": "aws", "region": "us-east-1", "instance_type": "p5.48xlarge", "tariff_zone": "US-VA"}
        return Run(
            self.windows, benchmark="joulemark", run_id=f"019a0000-0000-7000-8000-{self.seed:012x}", clock=ClockKind.UTC, labels=labels
        )

    @property
    def series(self) -> tuple[Series, ...]:
        """Readings of the run: GPUs and climate always, the BMC at ES1, the analyser at ES2."""
        own = self.sensors.wall() if self.level == "ES2" else [self.sensors.bmc()]
        found = [*own, *self.sensors.gpus(), *self.sensors.climate()]
        return tuple(replace(one, meter=replace(one.meter, simulated=True)) for one in found)

    @property
    def nodes(self) -> Nodes:
        """The node before and after, and what else took part."""
        begin_ns, end_ns = self.at(0.0), self.at(self.length_s)
        node = Node(
            HOST,
            serial="S900001",
            gpus=tuple(Gpu(uuid, "NVIDIA H100 80GB HBM3", "96.00.74.00.01", f"165012300000{n + 1}") for n, uuid in enumerate(GPUS)),
            psus=tuple(Psu(f"PSU{n + 1}", cord, True, 3000.0, "1.2", False) for n, cord in enumerate(CORDS)),
            bmc_firmware="01.05.06",
            driver="560.35.03",
            cuda="12.6",
            kernel="6.8.0-45",
            dimms="24 x 96 GB DDR5-5600",
            nics="2 x 400 Gb/s",
            cooling="air",
            fans="10 x 80 mm",
            settings=(Settings(begin_ns, SETTINGS), Settings(end_ns, SETTINGS)),
            surveys=tuple(Survey(self.at(s), ()) for s in np.arange(5.0, self.length_s, 30.0).tolist()),
        )
        return Nodes(
            (node,),
            participating=1,
            components=(Component("interconnect", "absent"), Component("front-end host", "absent")),
            builds=(Build("agent", HOST, __version__, "11" * 32), Build("collector", "collector-1", __version__, "11" * 32)),
            overheads=(Overhead((0.004, 0.006, 0.005), "11" * 32, "H100x2", begin_ns - 20 * 86400 * NS),),
        )

    @property
    def workload(self) -> Workload:
        """What was run, with the counts of the engine and of a second counter."""
        measured = [w for w in self.windows if w.kind is PhaseKind.MEASURED]
        return Workload(
            model="llama-3-8b",
            model_sha256="22" * 32,
            precision="fp8",
            dataset="open-orca",
            dataset_sha256="33" * 32,
            tokenizer="llama-3",
            tokenizer_sha256="44" * 32,
            token_source="server_usage",
            counted="drained",
            end_of_sequence=True,
            input_length=640.0,
            output_length=480.0,
            concurrency=64,
            engine="vllm",
            engine_version="0.11.0",
            gpu_type="H100",
            gpu_count=2,
            engine_counts=tuple(EngineCount(w.name, w.requests, int(w.tokens.input or 0), int(w.tokens.output or 0)) for w in measured),
            recounts=tuple(Recount(w.name, int(w.tokens.output or 0) + 10, int(w.tokens.input or 0)) for w in measured),
        )

    @property
    def chain(self) -> Chain:
        """Marks as they were heard of, with a receipt for the marks of each measured phase."""
        chain = Chain().appended("run", {"run_id": self.run.run_id}, t_ns=self.at(1.0))
        marks = sorted((edge_ns, w, edge) for w in self.windows for edge, edge_ns in (("begin", w.begin_ns), ("end", w.end_ns)))
        receipts = []
        for edge_ns, window, edge in marks:
            data = {"phase": window.name, "kind": str(window.kind), "edge": edge, "utc_ns": edge_ns}
            chain = chain.appended("mark", data, t_ns=edge_ns + 3_000_000)
            if window.kind is PhaseKind.MEASURED:
                receipts.append(receipt(chain, t_ns=edge_ns + 800_000_000))
        return replace(chain, receipts=tuple(receipts))

    @property
    def clocks(self) -> dict[str, dict[str, object]]:
        """Clock states of the agent and of the collector, each minute."""
        state = {"probe_count": 8, "kernel_synchronized": True, "kernel_max_error_ns": 4_000_000, "discipline": "chrony"}
        minutes = np.arange(0.0, self.length_s + 40.0, 40.0).tolist()
        out: dict[str, dict[str, object]] = {}
        for host, role in ((HOST, "agent"), ("bench-1", "agent"), ("collector-1", "collector")):
            states = [
                {
                    **state,
                    "t_ns": self.at(s),
                    "offset_ns": 150_000,
                    "bound_ns": 2_000_000,
                    "discipline_bound_ns": 1_500_000,
                    "probe_count": 8 * n,
                }
                for n, s in enumerate(minutes, 1)
            ]
            out[host] = {
                "role": role,
                "same_clock": False,
                "applied_offset_ns": 150_000,
                "widest_bound_ns": 2_000_000,
                "states": states,
                **state,
            }
        return out

    @cached_property
    def alignments(self) -> tuple[Aligned, ...]:
        """Of the BMC to the analyser, where the run is read by the BMC."""
        if self.level != "ES1":
            return ()
        made = alignment.made(self.seed, before_ns=BEGIN_NS)
        binding = replace(made.record.binding, settings_sha256=Settings(0, SETTINGS).sha256)
        return (replace(made, record=replace(made.record, binding=binding)),)

    def evidence(self) -> Evidence:
        """All of it. The same seed gives the same evidence."""
        return Evidence.gathered(
            self.run,
            self.series,
            prices(),
            clocks=self.clocks,
            nodes=self.nodes,
            workload=self.workload,
            requests=self.requests,
            meter_log=MeterLog(heard=tuple(one.meter.meter_id for one in self.series)),
            alignments=self.alignments,
            chain=self.chain,
            rule_set="1.0",
        )


def receipt(chain: Chain, *, t_ns: int) -> Receipt:
    """The word of the kit's authority on the head of `chain`."""
    seen = Receipt(len(chain.events) - 1, chain.head_sha256, t_ns, "conformance kit", seal.public_text(KIT_KEY), "")
    return replace(seen, signature=seal.signed(KIT_KEY, seen.signed_sha256))


def sign(head_sha256: str) -> Signature:
    """The signature of the agent of the kit."""
    return seal.signer(KIT_KEY, role="agent")(head_sha256)


def write(folder: Path, evidence: Evidence, *, sign: Callable[[str], Signature] | None = sign) -> Path:
    """The bundle of `evidence` in the new folder `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle.write(folder, evidence, sign=sign)
    return folder


def prices() -> Snapshot:
    """What a machine of the kind costs, and electricity where it stands."""
    dates = {"effective_from_ns": moment_ns("2026-10-01", "kit"), "fetched_at_ns": moment_ns("2026-10-20", "kit")}
    price = Price(
        provider="aws",
        region="us-east-1",
        instance_type="p5.48xlarge",
        amount=Decimal("55.04"),
        currency="USD",
        unit=Unit.INSTANCE_HOUR,
        source_url="https://example.com/list",
        price_model=PriceModel.ON_DEMAND,
        sku_id="H7NQKW8R2XJ4ZP5T",
        tax=Tax.EXCLUDED,
        billing_step_s=1,
        billing_minimum_s=60,
        payload_sha256="55" * 32,
        **dates,
    )
    tariff = Tariff("US-VA", Decimal("0.0871"), "USD", Basis.MEASURED, source_url="https://example.com/bill", pue=Decimal("1.2"), **dates)
    return Snapshot((price,), (tariff,))
