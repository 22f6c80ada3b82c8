"""Stage of the kind `snmp`: snmpsim as a PX3 with one metered outlet. A golden case is a data file of the simulator, `pdu.snmprec`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.conformance import WRONG_SECRET
from tests.meters.living.base import Living, Options
from tests.standins.snmp_pdus import WH_PER_J, px3
from tests.standins.snmp_standin import Pdu

DEADLINE_S = 2.0


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    pdu = Pdu(folder / "pdu", px3({1: {"power": "66:live|load_w 1", "energy": f"66:live|load_j {WH_PER_J}"}}))
    pdu.set_load("load", 512.0)
    pdu.start()
    wrong = folder / "wrong"
    wrong.write_text(WRONG_SECRET)
    try:
        yield Living(
            pdu.v3(deadline_s=DEADLINE_S),
            unplug=pdu.stop,
            replug=pdu.start,
            hang=pdu.pause,
            resume=pdu.resume,
            wrong=pdu.v3(deadline_s=DEADLINE_S, auth_file=str(wrong)),
            set_power_w=lambda watts: pdu.set_load("load", watts),
            deadline_s=DEADLINE_S,
        )
    finally:
        pdu.stop()


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A simulated agent that serves `pdu.snmprec`; meter ids hold no port, so that a case reads the same everywhere."""
    pdu = Pdu(folder / "pdu", (case / "pdu.snmprec").read_text(encoding="utf-8"))
    pdu.start()
    try:
        yield pdu.v2c()
    finally:
        pdu.stop()
