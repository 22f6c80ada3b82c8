"""Documents of a run: taken when whole, refused when not."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from joulemark import request_log
from joulemark.chain import Chain
from joulemark.collector.documents import MAX_RECEIPTS, Documents, with_receipts
from joulemark.errors import FormatError, UsageError
from joulemark.workload import Workload
from tests.kit.lab import Lab, receipt

CHAIN = Chain().appended("run", {"run_id": "r"}, t_ns=1).appended("mark", {"phase": "p"}, t_ns=2)
RECEIPT = receipt(CHAIN, t_ns=3)


def test_documents_come_back_as_they_were_given() -> None:
    """Every kind goes to text and back; what was not given is None."""
    lab = Lab.of("ES1")
    evidence = lab.evidence()
    given = Documents(lab.workload, lab.requests, lab.nodes, evidence.meter_log, (RECEIPT,))
    assert Documents.of(given.texts()) == given
    assert Documents.of({}) == Documents()
    assert Documents().texts() == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workload", {"schema": "joulemark.nodes/1"}),
        ("workload", {**Workload().to_json(), "speed": 1}),
        ("requests", "a,b\n1,2\n"),
        ("nodes", {"schema": "joulemark.nodes/1", "nodes": [{}]}),
        ("meter_log", {"schema": "joulemark.meter-log/1", "heard": "all"}),
        ("receipts", [{"seq": 1}]),
    ],
)
def test_a_document_that_is_none_is_refused(name: str, value: object) -> None:
    """Another schema, an unknown key, a missing one, a value of the wrong kind."""
    with pytest.raises(FormatError):
        Documents.parsed({name: value})


def test_an_empty_request_log_is_not_an_absent_one() -> None:
    """No requests were issued is a fact; nobody said is another."""
    assert Documents.parsed({"requests": request_log.to_csv([])}).requests == ()


def test_receipts_add_up_and_are_checked() -> None:
    """One given twice is kept once; one for another hash, beyond the chain, or with a false signature is refused."""
    assert with_receipts((), (RECEIPT, RECEIPT), CHAIN) == (RECEIPT,)
    first = receipt(Chain(CHAIN.events[:1]), t_ns=2)
    assert with_receipts((RECEIPT,), (first, RECEIPT), CHAIN) == (RECEIPT, first)
    for false, why in (
        (replace(RECEIPT, seq=0), "hash"),
        (replace(RECEIPT, seq=2), "hash"),
        (replace(RECEIPT, seq=-1), "hash"),
        (replace(RECEIPT, t_ns=4), "signature"),
    ):
        with pytest.raises(FormatError, match=why):
            with_receipts((), (false,), CHAIN)
    many = tuple(receipt(CHAIN, t_ns=n) for n in range(MAX_RECEIPTS + 1))
    with pytest.raises(UsageError, match="more than"):
        with_receipts((), many, CHAIN)
    assert asdict(RECEIPT)["seq"] == 1
