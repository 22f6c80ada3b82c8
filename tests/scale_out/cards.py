"""Cards and energies of a store, as bytes that two stores must have in common."""

from __future__ import annotations

import json
from pathlib import Path

from joulemark.cards import card
from joulemark.collector.evidence import evidence_of, known_prices
from joulemark.collector.measure import gather
from joulemark.collector.recorded import Recorded
from joulemark.collector.store.base import ReadingStore
from joulemark.config import CollectorConfig, Config
from joulemark.timebase import SystemClock
from tests.bench.engine.trace import KINDS, T0_NS, S
from tests.collector import golden


def made(store: ReadingStore, runs: list[Recorded], folder: Path) -> dict[str, str]:
    """The card of every run, by its name, and the exact energies of every power over spans that cut chunks."""
    config, clock = Config(collector=CollectorConfig(data_dir=folder)), SystemClock()
    found = {}
    for recorded in runs:
        gathered = gather(recorded, store, golden.BOOT)
        evidence = evidence_of(gathered, known_prices(config, clock, gathered.run))
        found[recorded.run_id] = json.dumps(card.build(evidence, files={}), sort_keys=True)
    powers = [meter.meter_id for known in store.devices() for meter in known.device.meters if meter.quantity == KINDS[0][0]]
    spans = [(T0_NS + (7 + 10 * n) * S + n, T0_NS + (25 + 11 * n) * S + 3 * n) for n in range(8)]
    energies = [
        [None if one is None else (str(one.double), one.readings) for one in of_meter] for of_meter in store.integrals(powers, spans)
    ]
    return {**found, "energies": json.dumps(energies)}
