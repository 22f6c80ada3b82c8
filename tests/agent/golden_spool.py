"""Writes the spool of this version that the tests of later versions will open: `python -m tests.agent.golden_spool`.

Run it after a change of the schema only; the files of older versions were written by those versions and are never made again.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from joulemark.agent.batcher import Batcher
from joulemark.agent.spool import Spool
from joulemark.agent.spool_file import add_losses
from joulemark.agent.spool_schema import SCHEMA_VERSION
from joulemark.config import SpoolConfig
from joulemark.proto.messages import Ack, ClockState, Loss, Overhead
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from tests.conftest import ROOT, ManualClock

DEVICE = DeviceInfo(
    "fake:host:0",
    (
        MeterInfo("fake:host:0:power", "fake", Quantity.POWER, -3, Boundary.GPU),
        MeterInfo("fake:host:0:energy", "fake", Quantity.ENERGY_COUNTER, -3, Boundary.GPU),
    ),
)
BOOT = "11111111-2222-3333-4444-555555555555"


def sample(clock: ManualClock, number: int) -> Sample:
    offset_ns = clock.utc - clock.mono
    t_ns = clock.mono + number * 1_000_000
    ok = (Quality.OK, Quality.OK)
    values, stamps = (300_000, number * 30_000), (None, t_ns + offset_ns)
    return Sample("fake:host:0", t_ns, t_ns + 2000, offset_ns, values, stamps, ok, ("", ""), number, number == 4)


def write(path: Path) -> None:
    """Two epochs of four batches: of the first two were acknowledged and one more sent; two losses, one of them carried."""
    clock = ManualClock()
    for epoch in range(2):
        spool = Spool(SpoolConfig(path, 1024 * 1024), clock)
        spool.open()
        epoch_ns = spool.new_epoch("10.0.0.5:7470")
        batcher = Batcher(spool, clock, epoch_ns=epoch_ns, boot_id=BOOT, clock_state=lambda _: ClockState(), overhead=Overhead)
        batcher.describe(DEVICE, "fake")
        for batch in range(4):
            batcher.add([sample(clock, 3 * batch + i) for i in range(3)])
            clock.advance(1_000_000_000)
            batcher.close()
            if epoch and batch in (2, 3):
                loss = Loss("fake:host:0", 9 - batch, clock.utc - 5, clock.utc, "spool full: thinned")
                spool._file.durably(lambda db, x=loss: add_losses(db, (x,)))
        if not epoch:
            spool.claim((-1, -1), 3)
            spool.acknowledge((Ack(epoch_ns, 1),))
        spool.close()
        clock.advance(10_000_000_000)


if __name__ == "__main__":
    place = ROOT / f"tests/data/golden/spool-v{SCHEMA_VERSION}.db"
    place.unlink(missing_ok=True)
    write(place)
    for suffix in (".lock", ".tally", ".reserve"):
        place.with_name(place.name + suffix).unlink()
    with closing(sqlite3.connect(place)) as db:
        db.execute("UPDATE meta SET instance_id = '00112233445566778899aabbccddeeff'")
        db.commit()
