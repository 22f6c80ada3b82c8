"""The separate oracle: `python -m tests.conservation.oracle WORKDIR` prints one JSON line and exits 1 when red.

It shares no arithmetic and no reading path with the product. It opens the ledgers (what the spools witnessed of every batch that was
written, thinned, sent and acknowledged) and the collector's log as SQLite files, decodes the columns itself, and knows the waves in
integers. A sample is one read of a device, and two readings: power and energy counter.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.conservation.dates import dates, steps
from tests.conservation.evidence import Evidence, Key
from tests.conservation.rows import Found, Rows, Start
from tests.conservation.wave import Wave

LEAST_ACKS: Final = 100
ENERGY_LIMIT_REL: Final = 1e-9
READINGS: Final = 2


def batches(evidence: Evidence) -> list[str]:
    """Every batch once and with the bytes the spool had; none that no spool wrote."""
    stored = dict(evidence.stored)
    complaints = {
        "batches that no agent wrote": len(stored.keys() - evidence.kept.keys()),
        "batches with other bytes than the spool's": sum(evidence.kept.get(key, body) != body for key, body in stored.items()),
        "batches stored under one key twice": len(evidence.stored) - len(stored),
        "acknowledged batches missing in the store": len(evidence.acked - stored.keys()),
        "batches acknowledged that were never sent": len(evidence.acked - evidence.sent),
        "batches neither acknowledged nor waiting": len(evidence.kept.keys() - evidence.acked) - evidence.waiting,
        "batches left in a spool": evidence.waiting,
        "keys used twice by an agent": evidence.twice_written,
        "batches thinned after they were sent": evidence.thinned_after_sent,
    }
    return said(complaints)


def said(complaints: dict[str, int]) -> list[str]:
    """Those that there are."""
    return [f"{count} {what}" for what, count in complaints.items() if count]


def read_count(rows: dict[Start, Rows]) -> Counter[str]:
    """Samples that each device made, as far as any was ever written: numbers run from 0 at every start of the agent."""
    count: Counter[str] = Counter()
    for (_, _, device), found in rows.items():
        count[device] += int(found.seq[-1]) + 1
    return count


def balance(read: dict[Start, Rows], kept: dict[Start, Rows], stored: dict[Start, Rows], evidence: Evidence, carried: Found) -> list[str]:
    """Read = stored + counted lost, for each device, to the sample; and the store's losses are those that the batches told of."""
    devices = read_count(read)
    found: Counter[str] = Counter()
    twice = 0
    for (_, _, device), rows in stored.items():
        found[device] += len(np.unique(rows.seq))
        twice += len(rows) - len(np.unique(rows.seq))
    lost: Counter[str] = Counter()
    for (device, _), count in evidence.losses.items():
        lost[device] += count
    told = {key: count for key, count in carried.lost.items() if count}
    kept_losses = {key: count for key, count in evidence.losses.items() if count}
    return said(
        {
            "samples stored twice": twice,
            "samples written but not stored": missing(kept, stored),
            "samples stored but not written": missing(stored, kept),
            "samples missing or left over after the counted losses": sum(
                abs(devices[d] - found[d] - lost[d]) for d in devices.keys() | found.keys() | lost.keys()
            ),
            "losses of the store that differ from those in the batches": sum(
                told.get(key) != kept_losses.get(key) for key in told.keys() | kept_losses.keys()
            ),
            "losses of no known device": sum(not device for device, _ in evidence.losses),
            "losses that no batch carries": evidence.uncarried,
            "readings not marked ok": carried.not_ok,
        }
    )


def missing(wanted: dict[Start, Rows], found: dict[Start, Rows]) -> int:
    """Samples of `wanted` that are not in `found`, by their numbers."""
    none = np.array([], np.int64)
    return sum(len(np.setdiff1d(rows.seq, found[start].seq if start in found else none)) for start, rows in wanted.items())


def values(waves: dict[str, Wave], stored: dict[Start, Rows]) -> list[str]:
    """Every stored value is what the wave has at the reading's own time."""
    wrong = 0
    for (agent, _, _), rows in stored.items():
        wave = waves[agent]
        fresh = (rows.power_ns - rows.counter_ns >= 0) & (rows.power_ns - rows.counter_ns < wave.step_ns)
        on_step = rows.counter_ns % wave.step_ns == 0
        counter_mj = wave.counter_mj(rows.counter_ns - rows.counter_ns % wave.step_ns)
        right = fresh & on_step & (rows.counter_mj == counter_mj) & (rows.power_mw == wave.power_mw(rows.power_ns))
        wrong += int(np.count_nonzero(~right))
    return said({"samples differ from the wave": wrong})


def trapezoid_mj(t_ns: Any, power_mw: Any) -> float:
    """Energy under the power readings, in millijoules."""
    return float(np.dot(np.diff(t_ns) / 1e9, (power_mw[1:] + power_mw[:-1]) / 2.0))


def energy_error_rel(waves: dict[str, Wave], read: dict[Start, Rows], kept: dict[Start, Rows], stored: dict[Start, Rows]) -> float:
    """Largest error of any agent's joules: counter differences over the whole run, and trapezoids under the power readings.

    Found: from the stored values. True: from the wave alone; for the counters from the first to the last sample that was ever
    written, also where thinning took most of those between; for the trapezoids at the times that the spools kept.
    """
    errors = [0.0]
    for agent, wave in waves.items():
        found = {"counter": counters(stored, agent), "power": power(stored, agent)}
        true = {"counter": counters(read, agent, wave), "power": power(kept, agent, wave)}
        for name, parts in found.items():
            whole = math.fsum(true[name])
            errors.append(abs(math.fsum(parts) - whole) / whole if whole else math.inf)
    return max(errors)


def counters(found: dict[Start, Rows], agent: str, wave: Wave | None = None) -> list[float]:
    """Of each device of `agent`, the counter's last value minus its first, or the wave's at their times."""
    devices: defaultdict[str, list[Rows]] = defaultdict(list)
    for start in sorted(found):
        if start[0] == agent:
            devices[start[2]].append(found[start])
    differences = []
    for parts in devices.values():
        t_ns = np.array([parts[0].counter_ns[0], parts[-1].counter_ns[-1]])
        first, last = wave.counter_mj(t_ns) if wave else (parts[0].counter_mj[0], parts[-1].counter_mj[-1])
        differences.append(float(last - first))
    return differences


def power(found: dict[Start, Rows], agent: str, wave: Wave | None = None) -> list[float]:
    """Of each start of each device of `agent`, the trapezoid under its power, or under the wave's at the same times."""
    return [
        trapezoid_mj(rows.power_ns, wave.power_mw(rows.power_ns) if wave else rows.power_mw)
        for start, rows in found.items()
        if start[0] == agent
    ]


def sometimes(plan: dict[str, Any], evidence: Evidence, lost: dict[str, Counter[str]]) -> list[str]:
    """The run was worth something: what the promise is for did happen."""
    happened = Counter(key.split()[0] for key in plan["faults"])
    bounded = [agent for agent, table in plan["agents"].items() if table["bounded"]]
    reasons = Counter({reason: count for agent in bounded for reason, count in lost[agent].items()})
    wanted = {
        "no duplicate was suppressed": evidence.duplicates.total(),
        "no agent came back after a cut in the middle of a batch": plan["torn_and_back"],
        f"fewer than {LEAST_ACKS} batches were acknowledged": len(evidence.acked) >= LEAST_ACKS,
        "no clock was stepped": len(plan["steps"]),
        "the bounded spool was never thinned": sum(count for reason, count in reasons.items() if reason.startswith("spool full")),
        "no full disk made a spool refuse": sum(count for reason, count in reasons.items() if reason.startswith("spool not writable")),
        **{f"no fault of the kind {kind} happened": happened[kind] for kind in plan["kinds"]},
    }
    unexpected = sum(sum(counts.values()) for agent, counts in lost.items() if agent not in bounded)
    return [what for what, count in wanted.items() if not count] + said({"samples lost by agents with room and a healthy disk": unexpected})


def check(work: Path) -> tuple[dict[str, Any], list[str]]:
    """The line to print, counts in readings where they are of readings; and what failed, in words."""
    plan = json.loads((work / "plan.json").read_text())
    agents = list(plan["agents"])
    waves = {agent: Wave.of(table) for agent, table in plan["agents"].items()}
    evidence = Evidence.found(work, agents)
    first, last, store = Found(), Found(), Found()
    for key, body in evidence.read.items():
        first.add(key[0], body)
    counts = {key: last.add(key[0], body) for key, body in evidence.kept.items()}
    stored_counts = [(key[0], store.add(key[0], body)) for key, body in evidence.stored]
    read, kept, stored = first.rows(), last.rows(), store.rows()
    lost: dict[str, Counter[str]] = {agent: Counter() for agent in agents}
    for (device, reason), count in evidence.losses.items():
        lost.setdefault(device.split(":")[1] if device else "of no known device", Counter())[reason] += count
    error = energy_error_rel(waves, read, kept, stored)
    red = batches(evidence) + balance(read, kept, stored, evidence, store) + values(waves, stored)
    red += dates(plan, stored) + steps(plan, evidence) + sometimes(plan, evidence, lost)
    if not error <= ENERGY_LIMIT_REL:
        red.append(f"energy is off by {error:.3g}")
    table = {agent: agent_line(agent, evidence, counts, stored_counts, read, kept, stored, lost) for agent in agents}
    total = Counter[str]()
    for line in table.values():
        total.update(line)
    print(text_of(plan, evidence, {**table, "total": dict(total)}), file=sys.stderr)
    names = ("sent", "acked", "stored", "duplicates_suppressed", "lost", "counted_lost")
    faults = sum(plan["faults"].values())
    return {"seed": plan["seed"], "faults": faults, **{name: total[name] for name in names}, "energy_error_rel": error}, red


def agent_line(
    agent: str,
    evidence: Evidence,
    counts: dict[Key, int],
    stored_counts: list[tuple[str, int]],
    read: dict[Start, Rows],
    kept: dict[Start, Rows],
    stored: dict[Start, Rows],
    lost: dict[str, Counter[str]],
) -> dict[str, int]:
    """One row of the table, in readings; duplicates in batches, starts of the agent."""

    def mine(found: dict[Start, Rows]) -> dict[Start, Rows]:
        return {start: rows for start, rows in found.items() if start[0] == agent}

    return {
        "read": READINGS * read_count(mine(read)).total(),
        "sent": READINGS * sum(counts.get(key, 0) for key in evidence.sent if key[0] == agent),
        "acked": READINGS * sum(counts.get(key, 0) for key in evidence.acked if key[0] == agent),
        "stored": READINGS * sum(count for name, count in stored_counts if name == agent),
        "duplicates_suppressed": evidence.duplicates[agent],
        "lost": READINGS * missing(mine(kept), mine(stored)),
        "counted_lost": READINGS * lost[agent].total(),
        "starts": len({start[1] for start in mine(read)}),
    }


def text_of(plan: dict[str, Any], evidence: Evidence, table: dict[str, dict[str, int]]) -> str:
    """The table for people."""
    names = list(next(iter(table.values())))
    lines = [f"{'agent':>12}" + "".join(f"{name.replace('_', ' '):>23}" for name in names)]
    lines += [f"{agent:>12}" + "".join(f"{line[name]:>23}" for name in names) for agent, line in table.items()]
    lines.append("faults: " + ", ".join(f"{kind} {count}" for kind, count in plan["faults"].items()))
    lines.append(
        f"late pieces released: {plan['late_released']}, back after a tear: {plan['torn_and_back']}, "
        f"clock steps: {len(plan['steps'])}, batches refused by the collector's full disk: {evidence.refusals}"
    )
    return "\n".join(lines)


def main() -> None:
    """Print the verdict; exit 1 when red, with the reasons on stderr."""
    line, red = check(Path(sys.argv[1]))
    for complaint in red:
        print(f"red: {complaint}", file=sys.stderr)
    print(json.dumps(line))
    raise SystemExit(1 if red else 0)


if __name__ == "__main__":
    main()
