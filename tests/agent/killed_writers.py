"""Thirty writers on one spool, one after another, each killed in the middle: `python -m tests.agent.killed_writers PATH SEED`.

Each tells through a pipe what `append` has returned for and what it has had acknowledged. Prints the sums as one line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from joulemark.agent.spool import Spool, Stored
from joulemark.config import SpoolConfig
from joulemark.proto.messages import Ack, FrozenBatch
from joulemark.timebase import SystemClock

KILLS = 30


def opened(path: Path) -> Spool:
    spool = Spool(SpoolConfig(path, 64 * 1024 * 1024), SystemClock())
    spool.open()
    return spool


def write(path: Path, told: int) -> None:
    """Append for ever, acknowledge every tenth time, and tell each only after it is done."""
    spool = opened(path)
    epoch_ns = spool.new_epoch()
    for seq in range(10**9):
        body = b"%d %d " % (epoch_ns, seq) * 50
        spool.append(Stored(epoch_ns, seq, FrozenBatch(body, hashlib.sha256(body).digest()), 1, seq, seq))
        os.write(told, b"+ %d %d\n" % (epoch_ns, seq))
        if seq % 10 == 9:
            os.write(told, b"- %d %d\n" % (epoch_ns, seq - 5))
            spool.acknowledge((Ack(epoch_ns, seq - 5),))


def killed(path: Path, after_s: float) -> list[str]:
    """What a writer told before it was killed."""
    read, told = os.pipe()
    if (writer := os.fork()) == 0:
        os.close(read)
        write(path, told)
    os.close(told)
    time.sleep(after_s)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    with open(read, encoding="ascii") as pipe:
        return [line for line in pipe if line.endswith("\n")]


def main(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    appended: set[tuple[int, int]] = set()
    acked: dict[int, int] = {}
    for _ in range(KILLS):
        for line in killed(path, chance.uniform(0.02, 0.12)):
            sign, epoch_ns, seq = line.split()
            if sign == "+":
                appended.add((int(epoch_ns), int(seq)))
            else:
                acked[int(epoch_ns)] = int(seq)
    spool = opened(path)
    stored = spool.claim((-1, -1), 10**6)
    found = {s.key for s in stored}
    owed = {key for key in appended if key[1] > acked.get(key[0], -1)}
    print(
        json.dumps(
            {
                "appended": len(appended),
                "acked": len(appended) - len(owed),
                "missing": len(owed - found),
                "altered": sum(s.frozen.body != b"%d %d " % s.key * 50 for s in stored),
                "losses": len(spool.losses()),
                "epochs": len({epoch_ns for epoch_ns, _ in appended}),
            }
        )
    )
    spool.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
