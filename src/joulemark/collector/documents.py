"""Documents of a run: what only the client knows, each checked when it comes and kept as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from joulemark import document, request_log
from joulemark.chain import Chain, Receipt
from joulemark.errors import FormatError, UsageError
from joulemark.meter_log import MeterLog
from joulemark.node import Nodes
from joulemark.pki import seal
from joulemark.request_log import Request
from joulemark.workload import Workload

NAMES: Final = ("workload", "requests", "nodes", "meter_log", "receipts")
MAX_RECEIPTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything that was handed in; None and empty where it was not."""

    workload: Workload | None = None
    requests: tuple[Request, ...] | None = None
    nodes: Nodes | None = None
    meter_log: MeterLog | None = None
    receipts: tuple[Receipt, ...] = ()

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Self:
        """The documents in kept `texts`, by name. Raises FormatError."""
        data = {name: document.parse(text, where=name) if name != "requests" else text for name, text in texts.items()}
        return cls.parsed(data)

    @classmethod
    def parsed(cls, data: Mapping[str, Any]) -> Self:
        """From JSON values by name; `requests` is the text of a CSV file. Raises FormatError."""
        return cls(
            workload=None if "workload" not in data else Workload.from_json(data["workload"]),
            requests=None if "requests" not in data else request_log.from_csv(data["requests"], where="requests"),
            nodes=None if "nodes" not in data else Nodes.from_json(data["nodes"]),
            meter_log=None if "meter_log" not in data else MeterLog.from_json(data["meter_log"]),
            receipts=tuple(document.record(Receipt, one, where=f"receipts[{n}]") for n, one in enumerate(data.get("receipts", ()))),
        )

    def texts(self) -> dict[str, str]:
        """Name -> text, of each that is there."""
        found = {
            "workload": None if self.workload is None else json.dumps(self.workload.to_json()),
            "requests": None if self.requests is None else request_log.to_csv(self.requests),
            "nodes": None if self.nodes is None else json.dumps(self.nodes.to_json()),
            "meter_log": None if self.meter_log is None else json.dumps(self.meter_log.to_json()),
            "receipts": json.dumps([asdict(one) for one in self.receipts]) if self.receipts else None,
        }
        return {name: text for name, text in found.items() if text is not None}


def with_receipts(kept: tuple[Receipt, ...], given: tuple[Receipt, ...], chain: Chain) -> tuple[Receipt, ...]:
    """`kept` and those of `given` that are new. Raises FormatError for one that is not of an event of `chain` or whose signature does not
    hold, UsageError beyond MAX_RECEIPTS.
    """
    for one in given:
        where = f"the receipt of {document.shown(one.authority)} for event {one.seq}"
        if not 0 <= one.seq < len(chain.events) or chain.events[one.seq].sha256 != one.sha256:
            raise FormatError(f"{where} is over a hash that the chain of this run has not", "ask for its events: GET /v1/runs/{id}/chain")
        if not seal.holds(one.public_key, one.signed_sha256, one.signature):
            raise FormatError(f"{where} has a signature that its public key did not make", "hand it in as the authority gave it")
    every = (*kept, *(one for one in dict.fromkeys(given) if one not in kept))
    if len(every) > MAX_RECEIPTS:
        raise UsageError(f"{len(every)} receipts are more than {MAX_RECEIPTS}", "have the marks of measured phases witnessed alone")
    return every
