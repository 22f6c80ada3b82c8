"""`make meters-live`: one server under a known load, read by every kind of meter at once, for five minutes.

Each kind reads its real counterpart: a BMC simulator, snmpsim, a broker, a vendor's library over a compiled stand-in. In the middle the
BMC hangs and comes back, and a PDU is switched off and on. The verdict comes from `checker.py`, which knows what every meter was told
and shares no arithmetic with the product. MUTATE=wiring feeds the cords with less than the server takes, MUTATE=gain lets the BMC say
8 % too much: both must turn it red. SEED and MINUTES are read from the environment.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import joulemark
from joulemark.counts import Counts
from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from joulemark.runs import PhaseKind
from tests.meters.live import LIVE
from tests.meters.living.base import Living
from tests.meters_live.load import Load
from tests.meters_live.places import CORDS, PLACES
from tests.verdict import judged

CONFIG = """\
[agent]
agent_id = "live"
collector = "127.0.0.1:{grpc_port}"
interval_ms = 500
batch_period_ms = 250
cords = {cords}

[spool]
path = "{work}/spool.db"

[collector]
grpc_listen = "127.0.0.1:{grpc_port}"
rest_listen = "127.0.0.1:{rest_port}"
data_dir = "{work}/collector"
"""
IDLE_S = 10.0
HUNG, REBOOTING = "ipmi", "snmp"
TOKENS = 250_000


def table(kind: str, options: dict[str, Any]) -> str:
    """A `[[meter]]` table; the values are such that JSON is TOML."""
    return "\n".join(["", "[[meter]]", f'kind = "{kind}"', *(f"{key} = {json.dumps(value)}" for key, value in options.items()), ""])


@contextmanager
def devices(work: Path) -> Iterator[dict[str, Living]]:
    """A living device of every kind that has a place."""
    with ExitStack() as stack:
        living = {}
        for kind in PLACES:
            folder = work / kind
            folder.mkdir()
            living[kind] = stack.enter_context(LIVE[kind].live(folder))
        yield living


def event(act: tuple[Any, Any], *, length_s: float) -> tuple[int, int]:
    """Do, wait, undo; the times at which each began (UTC, ns): a PDU that is switched on is back when it has started."""
    begin_ns = time.time_ns()
    act[0]()
    time.sleep(length_s)
    end_ns = time.time_ns()
    act[1]()
    return begin_ns, end_ns


def measured(client: joulemark.Client, living: dict[str, Living], load: Load, seconds: float) -> tuple[str, dict[str, tuple[int, int]]]:
    """A run with an idle and a measured phase; a third into it the BMC hangs, at two thirds the PDU reboots."""
    run_id = client.start(benchmark="meters-live")
    client.begin(run_id, "idle", PhaseKind.IDLE_BEFORE)
    time.sleep(IDLE_S)
    client.end(run_id, "idle")
    load.idle = False
    client.begin(run_id, "load")
    began_s = time.monotonic()
    time.sleep(seconds / 3)
    events = {HUNG: event((living[HUNG].hang, living[HUNG].resume), length_s=min(12.0, seconds / 8))}
    time.sleep(max(0.0, began_s + seconds * 2 / 3 - time.monotonic()))
    events[REBOOTING] = event((living[REBOOTING].unplug, living[REBOOTING].replug), length_s=min(15.0, seconds / 8))
    time.sleep(max(0.0, began_s + seconds - time.monotonic()))
    client.end(run_id, "load", Counts(output_tokens=TOKENS))
    client.stop(run_id)
    return run_id, events


def execute(work: Path, seed: int, seconds: float, mutation: str) -> None:
    """Run everything and leave in `work` what the checker reads."""
    rest_port, grpc_port = free_port(), free_port()
    with devices(work) as living, ExitStack() as stack:
        options = {kind: {**one.options, **PLACES[kind].keys} for kind, one in living.items()}
        head = CONFIG.format(work=work, grpc_port=grpc_port, rest_port=rest_port, cords=json.dumps(list(CORDS)))
        config = work / "joulemark.toml"
        config.write_text(head + "".join(table(kind, keys) for kind, keys in options.items()))
        setters = {kind: one.set_power_w for kind, one in living.items() if one.set_power_w is not None}
        load = Load(
            random.Random(seed), PLACES, setters, gain=1.08 if mutation == "gain" else 1.0, wired=0.7 if mutation == "wiring" else 1.0
        )
        load.start()
        stack.callback(load.stop)
        env = {"JOULEMARK_CONFIG": str(config)}
        for name, command, port in (("collector", ("collector", "run"), rest_port), ("agent", ("agent", "run"), None)):
            daemon = Daemon(command_line(*command), work / f"{name}.log", env)
            stack.callback(daemon.stop)
            daemon.start()
            if port is not None:
                daemon.wait_for_port(port)
        client = joulemark.Client(f"http://127.0.0.1:{rest_port}")
        wait_for(client, set(living))
        say(f"{len(living)} kinds are read")
        run_id, events = measured(client, living, load, seconds)
        say("the run has ended")
        energy = settled(client, run_id)
        say("its energy is settled")
        card = client.call("GET", f"/v1/runs/{run_id}/card")
        meters = client.call("GET", "/v1/meters")
        first_ns = min(phase["begin_ns"] for phase in energy["phases"]) - 10**9
        readings = [one for meter in meters for one in stored(client, meter["meter_id"], first_ns)]
    left = {"energy": energy, "card": card, "meters": meters, "readings": readings, "events": events, "told": load.told}
    left["plan"] = {kind: vars(place) for kind, place in PLACES.items()}
    for name, value in left.items():
        (work / f"{name}.json").write_text(json.dumps(value))


def stored(client: joulemark.Client, meter_id: str, first_ns: int) -> list[dict[str, Any]]:
    """Every reading of a meter since `first_ns`, as columns."""
    query = urlencode({"meter": meter_id, "from_ns": first_ns, "to_ns": time.time_ns()})
    found: list[dict[str, Any]] = client.call("GET", f"/v1/readings?{query}")
    return found


def say(what: str) -> None:
    """Tell how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def wait_for(client: joulemark.Client, kinds: set[str], limit_s: float = 40.0) -> None:
    """Until every kind has told the collector who it is. Raises RuntimeError naming those that have not."""
    give_up_s = time.monotonic() + limit_s
    while missing := kinds - {meter["kind"] for meter in client.call("GET", "/v1/meters")}:
        if time.monotonic() > give_up_s:
            raise RuntimeError(f"no reading of {', '.join(sorted(missing))} after {limit_s:g} s")
        time.sleep(0.2)


def settled(client: joulemark.Client, run_id: str) -> dict[str, Any]:
    """The energies of the run, once every reading that they need has arrived."""
    while not (energy := client.energy(run_id))["settled"]:
        time.sleep(0.3)
    return energy


def main() -> None:
    """One run and its verdict."""
    seed, minutes = int(os.environ.get("SEED", "1")), float(os.environ.get("MINUTES", "5"))
    work = Path(tempfile.mkdtemp(prefix="joulemark-meters-live-"))
    execute(work, seed, minutes * 60.0, os.environ.get("MUTATE", ""))
    judged("tests.meters_live.checker", work)


if __name__ == "__main__":
    main()
