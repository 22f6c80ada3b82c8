"""`make live-node`: a simulated node, a real agent and a real collector, from the meters' sockets to the validator's word on the bundle.

Everything runs at hastened time. The node's BMC and analyser show one true power, of which the product knows nothing; the benchmark
marks the phases of the conformance kit's laboratory and hands in its requests; the authority of the kit gives receipts. The last line
tells the level that `joulemark validate` finds, the rules that stand in the way, and how many measured phases hold the true energy
within U95. Before it stands, of each such rule, what was found. SEED, LEVEL (ES1, in a minute and a half, or ES2, in eight), RATE (how
much faster than real), OUT (a new folder, in which bundle and logs stay) and MUTATE=analyser|bmc are read from the environment.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
import zipfile
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from joulemark import build, request_log, timebase
from joulemark.chain import Chain
from joulemark.client import Client
from joulemark.demo.processes import Daemon, free_port
from joulemark.node import ASKED_SETTINGS, Component, Node, Nodes
from joulemark.pki import seal
from joulemark.runs import PhaseKind
from joulemark.standard import read
from joulemark.standard.checks.environment import AMBIENT
from joulemark.standard.trust import Trust
from joulemark.standard.validator import validate
from tests.kit.lab import BEGIN_NS, KIT_KEY, Lab, receipt
from tests.live_node.node import CORDS, HOST, LIE, Hastened, gpus, meters, time_daemon
from tests.live_node.reference import aligned

RATES: Final = {"ES1": 20, "ES2": 12}
"""How much faster time runs: what a machine of two cores keeps up with, by the longest gap that the level allows between readings."""
LEAD_S: Final = 120.0
"""Hastened seconds from the first readings of all meters until the measurement begins."""
CONFIG: Final = """\
[agent]
agent_id = "{host}"
collector = "127.0.0.1:{grpc_port}"
interval_ms = 1000
batch_period_ms = 4000
cords = {cords}
node_file = "{work}/node.toml"
benchmark_processes = ["python3", "python", "pytest"]

[spool]
path = "{work}/spool.db"

[collector]
grpc_listen = "127.0.0.1:{grpc_port}"
rest_listen = "127.0.0.1:{rest_port}"
data_dir = "{work}/collector"
seal_key = "{work}/seal.pem"

[limits]
idle_timeout_s = 100000
"""
NODE: Final = """\
participating = 1

[node]
serial = "S900001"
cooling = "air"
fans = "10 x 80 mm"
nics = "2 x 400 Gb/s"
dimms = "24 x 96 GB DDR5-5600"
bmc_firmware = "7.10.30"
driver = "560.35.03"
cuda = "12.6"
{psus}
[settings]
{settings}
[[components]]
name = "interconnect"
method = "absent"
"""


def say(what: str) -> None:
    """Tell how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {toml(one)}' for key, one in value.items()) + " }"
    return json.dumps(value)


def configured(work: Path, tables: list[dict[str, Any]], *, grpc_port: int, rest_port: int) -> Path:
    """The configuration of agent and collector, with the operator's file and the key of the kit."""
    psus = "".join(
        f'[[node.psus]]\nname = "PSU{cord}"\ninlet = "{HOST}/{cord}"\nlive = true\nrated_w = 3000.0\nstorage_between = false\n'
        for cord in CORDS
    )
    settings = "".join(f'{name} = "as delivered"\n' for name in ASKED_SETTINGS)
    (work / "node.toml").write_text(NODE.format(psus=psus, settings=settings))
    seal.write_key(work / "seal.pem", KIT_KEY)
    head = CONFIG.format(host=HOST, work=work, grpc_port=grpc_port, rest_port=rest_port, cords=json.dumps(list(CORDS)))
    bodies = ("".join(f"{key} = {toml(value)}\n" for key, value in table.items()) for table in tables)
    (work / "joulemark.toml").write_text(head + "".join(f"\n[[meter]]\n{body}" for body in bodies))
    return work / "joulemark.toml"


class Session:
    """The benchmark of the laboratory, against the collector at `url`."""

    def __init__(self, lab: Lab, clock: Hastened, client: Client, begin_ns: int) -> None:
        self.lab, self.clock, self.client, self.begin_ns = lab, clock, client, begin_ns
        self.shift_ns = begin_ns - BEGIN_NS
        labels = {"provider": "aws", "region": "us-east-1", "instance_type": "p5.48xlarge", "tariff_zone": "US-VA", AMBIENT: "21..25"}
        self.build = build.source_sha256()
        self.run_id: str = client.call(
            "POST", "/v1/runs", {"benchmark": "joulemark", "labels": labels, "moment": self.moment(clock.utc_ns)}
        )["run_id"]

    def moment(self, utc_ns: int) -> dict[str, Any]:
        """A hastened moment as a client of this machine tells it."""
        return {"utc_ns": utc_ns, "mono_ns": self.clock.began_mono_ns + utc_ns - self.clock.began_utc_ns, "boot_id": timebase.boot_id()}

    def run(self) -> None:
        """Every phase at its time, with its counts; receipts for the marks of measured phases; then the stop and the documents."""
        for window in self.lab.windows:
            say(f"{window.name}")
            idle = {"idle_kind": window.idle_kind} if window.idle_kind else {}
            self.mark(window.begin_ns + self.shift_ns, window, {"edge": "begin", "kind": window.kind, **idle})
            tokens = {key: value for key, value in asdict(window.tokens).items() if value is not None}
            counts = {"tokens": tokens, "requests": window.requests, "requests_failed": window.requests_failed}
            self.mark(window.end_ns + self.shift_ns, window, {"edge": "end", **counts})
        end_ns = self.begin_ns + round(self.lab.length_s * 1e9)
        self.clock.wait_until(end_ns)
        self.client.call("POST", f"/v1/runs/{self.run_id}/stop", {"moment": self.moment(end_ns)})
        moved = [
            replace(one, begin_ns=one.begin_ns + self.shift_ns, end_ns=None if one.end_ns is None else one.end_ns + self.shift_ns)
            for one in self.lab.requests
        ]
        lab_nodes = self.lab.nodes
        nodes = Nodes(
            components=(Component("interconnect", "absent"), Component("front-end host", "absent")),
            overheads=tuple(
                replace(one, measured_ns=one.measured_ns + self.shift_ns, agent_build=self.build) for one in lab_nodes.overheads
            ),
            participating=1,
        )
        log = {"schema": "joulemark.meter-log/1", "heard": [one["meter_id"] for one in meters_of(self.client)], "messages": []}
        documents = {
            "workload": self.lab.workload.to_json(),
            "requests": request_log.to_csv(moved),
            "meter_log": log,
            "nodes": nodes.to_json(),
        }
        self.client.evidence(self.run_id, documents)

    def mark(self, utc_ns: int, window: Any, body: dict[str, Any]) -> None:
        """One edge at its time, and the authority's word on it where it is one of a measured phase."""
        self.clock.wait_until(utc_ns)
        self.client.call("POST", f"/v1/runs/{self.run_id}/phases", {"name": window.name, "moment": self.moment(utc_ns), **body})
        if window.kind is PhaseKind.MEASURED:
            shown = self.client.chain(self.run_id)
            chain = Chain.from_json({key: value for key, value in shown.items() if key != "head_sha256"})
            self.client.evidence(self.run_id, {"receipts": [asdict(receipt(chain, t_ns=self.clock.utc_ns))]})


def meters_of(client: Client) -> list[dict[str, Any]]:
    """Descriptions of all meters, without agent and device."""
    return [{key: value for key, value in one.items() if key not in ("agent_id", "device_id")} for one in client.meters()]


def ahead(wanted: bool) -> None:
    """What this thread begins from now on goes before others, where the machine allows it, or as others do. ES2 forgives no reading that
    is a second late, a tenth of one in true time, on a machine that does other things too, the collector's sums among them.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR if wanted else os.SCHED_OTHER, os.sched_param(int(wanted)))


def seen(client: Client, run_id: str) -> Node:
    """The node as its agent saw it during the run."""
    with zipfile.ZipFile(io.BytesIO(client.download(f"/v1/runs/{run_id}/bundle"))) as archive:
        return next(one for one in Nodes.from_json(json.loads(archive.read("energy/nodes.json"))).nodes if one.host == HOST)


def execute(work: Path, lab: Lab, *, rate: int, mutate: str) -> Path:
    """The whole way; the folder of the bundle that the collector gave."""
    ahead(lab.level == "ES2")
    clock, grpc_port, rest_port = Hastened.now(rate), free_port(), free_port()
    with ExitStack() as stack:
        tables = stack.enter_context(meters(work, lab, clock, mutate=mutate))
        table, gpu_env, begin_load = stack.enter_context(gpus(work, lab, clock))
        tables.append(table)
        config = configured(work, tables, grpc_port=grpc_port, rest_port=rest_port)
        env = {
            "JOULEMARK_CONFIG": str(config),
            "SOAK_RATE": str(rate),
            "SOAK_BEGAN": f"{clock.began_mono_ns} {clock.began_utc_ns}",
            **gpu_env,
            "PATH": str(time_daemon(work / "bin")),
        }
        for name, port in (("collector", rest_port), ("agent", None)):
            daemon = Daemon([sys.executable, "-m", "tests.soak.hastened", name, "run"], work / f"{name}.log", env)
            stack.callback(daemon.stop)
            ahead(lab.level == "ES2" and name == "agent")
            daemon.start()
            if port is not None:
                daemon.wait_for_port(port)
        client = Client(f"http://127.0.0.1:{rest_port}")
        wanted = {"nvml", "redfish", *(["scpi"] if lab.level == "ES2" else [])}
        while wanted - {one["kind"] for one in client.meters()}:
            time.sleep(0.2)
        begin_ns = clock.session_ns = clock.utc_ns + round(LEAD_S * 1e9)
        begin_load()
        (work / "begin.json").write_text(str(begin_ns))
        say("all meters are read")
        lie = LIE if mutate == "bmc" else 1.0
        session = Session(lab, clock, client, begin_ns)
        session.run()
        # an alignment is bound to the node as its agent saw it, which the bundle of the run tells
        node, two_passes = seen(client, session.run_id), lab.level == "ES2"
        client.calibrate(aligned(meters_of(client), lab.seed, before_ns=begin_ns, reverse=two_passes, node=node, lie=lie))
        while not client.energy(session.run_id)["settled"]:
            time.sleep(0.2)
        client.seal(session.run_id)
        content = client.download(f"/v1/runs/{session.run_id}/bundle")
        assert client.download(f"/v1/runs/{session.run_id}/bundle") == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(work / "bundle")
    return work / "bundle"


def judged(folder: Path, lab: Lab, begin_ns: int) -> dict[str, Any]:
    """What the validator says of the bundle, and how many measured phases hold the true energy."""
    case = read.case(folder, trust=Trust.read())
    report = validate(case)
    inside, phases = 0, []
    for window in case.measured:
        figures = case.figures(window)
        truth_j = lab.true_energy_j(window.shifted(BEGIN_NS - begin_ns))
        phases.append(figures.get("boundary"))
        off_j = figures["energy_j"] - truth_j
        say(f"{window.name}: {figures['energy_j']:.0f} J +- {figures['u95_j'] or 0:.0f} J at {figures['boundary']}, true {truth_j:.0f} J")
        inside += figures["u95_j"] is not None and abs(off_j) <= figures["u95_j"]
    for one in report.judged:
        if one.rule.id in report.failing(lab.level):
            say(f"{one.rule.id}: {one.outcomes[lab.level].to_json()}")
    return {
        "level": report.level_text,
        "inside_u95": inside,
        "phases": len(phases),
        "boundaries": sorted(set(map(str, phases))),
        "failing": list(report.failing(lab.level)),
    }


def main() -> int:
    """One session and its verdict."""
    level, seed = os.environ.get("LEVEL") or "ES1", int(os.environ.get("SEED") or 1)
    lab, out = Lab.of(level, seed=seed), os.environ.get("OUT")
    with nullcontext(out) if out else tempfile.TemporaryDirectory(prefix="joulemark-live-node-") as name:
        work = Path(name)
        work.mkdir(parents=True, exist_ok=True)
        folder = execute(work, lab, rate=int(os.environ.get("RATE") or RATES[level]), mutate=os.environ.get("MUTATE", ""))
        found = judged(folder, lab, json.loads((work / "begin.json").read_text()))
    print(json.dumps(found))
    return 0 if found["level"].startswith(level) and found["inside_u95"] == found["phases"] > 0 else 1


if __name__ == "__main__":
    raise SystemExit(main())
