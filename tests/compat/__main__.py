"""The protocol matrix: agents and collectors of this version and the one before, in every pair and every order of upgrade and rollback:
`python -m tests.compat`, behind `make compat`.

Each leg is real processes: an agent that reads a fake meter of 300 W, a collector that stores and seals. At the end of a scenario its
files are looked at: every batch of every stream is there, nothing was lost, and each leg brought readings. `readings.db` is migrated by
a newer collector and refused untouched by an older one: the way back is the backup of before. `MUTATE=version` gives this version another
protocol version, which must end red. The last line holds the matrix.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from joulemark.collector.snapshot import copy_database
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.errors import EnvironmentFailed
from tests.compat.trees import PREVIOUS, Tree, previous, this

LEG_S: Final = 4.0
POWER: Final = "fake:host:0:power"
ALL_NS: Final = (0, 2**62)


def leg(agent: Tree, collector: Tree, folder: Path) -> None:
    """Both run side by side for a while."""
    with collector.collector(folder) as at, agent.agent(folder, at["grpc"]):
        time.sleep(LEG_S)


def found(folder: Path) -> dict[str, object]:
    """What the collector's files hold, read by this version from a copy."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "readings.db"
        copy_database(folder / "data" / "readings.db", place)
        SqliteStore(place).close()  # brings it to this version
        store = SqliteReadings(place)
        streams = store.streams()
        return {
            "streams": len(streams),
            "samples": sum(len(one) for one in store.series([POWER], *ALL_NS)),
            "missing": sum(one.acked_seq + 1 - one.batch_count for one in streams),
            "lost": sum(loss.sample_count for _, loss in store.losses(*ALL_NS)),
        }


def judged(folder: Path, legs: int) -> str:
    """`ok`, or what is wrong: each leg is a stream of its own with at least a second of samples in it."""
    held = found(folder)
    good = held["streams"] == legs and held["missing"] == held["lost"] == 0 and int(str(held["samples"])) >= legs * 20
    print(f"  {json.dumps(held)}")
    return "ok" if good else f"not whole: {json.dumps(held)}"


def scenario(name: str, legs: Sequence[tuple[Tree, Tree]], folder: Path) -> str:
    """Legs of (agent, collector), one after the other on the same spool and data."""
    print(f"{name}: " + ", then ".join(f"agent {agent.name} with collector {collector.name}" for agent, collector in legs))
    folder.mkdir()
    try:
        for agent, collector in legs:
            leg(agent, collector, folder)
        return judged(folder, len(legs))
    except EnvironmentFailed as error:
        return f"{error.what}; {error.next_step}"


def agent_back(old: Tree, new: Tree, folder: Path) -> str:
    """An agent that was upgraded and goes back: it takes its spool, or refuses it untouched and takes it after `downgrade-spool`."""
    print("agent back: agent N with collector N, then agent N-1 with collector N")
    folder.mkdir()
    leg(new, new, folder)
    before = (folder / "spool.db").read_bytes()
    leg(old, new, folder)
    if found(folder)["streams"] == 2:
        return judged(folder, 2)
    said = (folder / "agent.log").read_text(encoding="utf-8")
    if "schema" not in said or (folder / "spool.db").read_bytes() != before:
        return f"neither taken nor refused: {said[-300:]}"
    done = new.command("agent", "downgrade-spool", "--config", folder / "agent.toml")
    if done.returncode:
        return f"not brought back: {done.stderr}"
    leg(old, new, folder)
    verdict = judged(folder, 2)
    return "refused untouched, ok after downgrade-spool" if verdict == "ok" else verdict


def rolled_back(old: Tree, new: Tree, folder: Path) -> str:
    """A collector that was upgraded and goes back: its files are refused untouched, and the backup of before the upgrade is taken."""
    print("collector back: files of N refused by N-1, then the backup of before")
    folder.mkdir()
    leg(old, old, folder)
    backups, config = folder / "backups", folder / "collector.toml"
    done = new.command("collector", "backup", backups, "--config", config)
    if done.returncode:
        return f"no backup: {done.stderr}"
    leg(old, new, folder)
    before = (folder / "data" / "readings.db").read_bytes()
    try:
        leg(old, old, folder)
        return "an older collector took files of a newer one"
    except EnvironmentFailed as error:
        if "newer" not in error.what or (folder / "data" / "readings.db").read_bytes() != before:
            return f"refused, but: {error.what}"
    shutil.move(folder / "data", folder / "data-of-N")
    done = new.command("collector", "restore", backups, "--config", config)
    if done.returncode:
        return f"not restored: {done.stderr}"
    leg(old, old, folder)
    held = found(folder)
    print(f"  {json.dumps(held)}")
    return "refused untouched, backup taken" if held["lost"] == 0 else f"not whole: {json.dumps(held)}"


def mutated(new: Tree, folder: Path) -> Tree:
    """This version with another number in its Hello."""
    shutil.copytree(new.source, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    messages = folder / "src/joulemark/proto/messages.py"
    text = messages.read_text(encoding="utf-8")
    messages.write_text(text.replace("PROTOCOL_VERSION: Final = 1", "PROTOCOL_VERSION: Final = 2"), encoding="utf-8")
    return Tree("N", folder / "src")


def main(mutate: str) -> int:
    """Run everything and print the matrix; 0 only when all of it is well."""
    with tempfile.TemporaryDirectory(prefix="compat") as name:
        folder = Path(name)
        old, new = previous(folder / "old"), this()
        if mutate == "version":
            (folder / "mutant").mkdir()
            new = mutated(new, folder / "mutant")
        pairs = [(agent, collector) for agent in (old, new) for collector in (old, new)]
        matrix = {f"agent {a.name}, collector {c.name}": scenario("pair", [(a, c)], folder / f"{n}") for n, (a, c) in enumerate(pairs)}
        orders = {
            "upgrade, collector first": [(old, old), (old, new), (new, new)],
            "upgrade, agent first": [(old, old), (new, old), (new, new)],
        }
        for number, (title, legs) in enumerate(orders.items()):
            matrix[title] = scenario(title, legs, folder / f"order{number}")
        matrix["agent back"] = agent_back(old, new, folder / "agent-back")
        matrix["collector back"] = rolled_back(old, new, folder / "back")
    print(json.dumps({"previous": PREVIOUS["commit"], **matrix}))
    return 0 if all(verdict.startswith(("ok", "refused untouched")) for verdict in matrix.values()) else 1


if __name__ == "__main__":
    print(f"N-1 is {PREVIOUS['commit']}: {PREVIOUS['says']}")
    try:
        raise SystemExit(main(os.environ.get("MUTATE", "")))
    except EnvironmentFailed as failed:
        print(f"{failed.what}; {failed.next_step}", file=sys.stderr)
        raise SystemExit(5) from None
